#include "kernel.h"

#if !defined(RUNLET_HOSTED)
void *memcpy(void *to, const void *from, size_t length) {
  char *target = to;
  const char *source = from;
  while (length--) *target++ = *source++;
  return to;
}

void *memset(void *to, int byte, size_t length) {
  char *target = to;
  while (length--) *target++ = (char)byte;
  return to;
}

void *memmove(void *to, const void *from, size_t length) {
  char *target = to;
  const char *source = from;
  if (target <= source) return memcpy(to, from, length);
  while (length--) target[length] = source[length];
  return to;
}

int memcmp(const void *a, const void *b, size_t length) {
  const unsigned char *left = a, *right = b;
  for (; length--; left++, right++)
    if (*left != *right) return *left - *right;
  return 0;
}
#endif

size_t text_length(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

bool text_equal(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  return *a == *b;
}

void text_append(char *buffer, size_t size, const char *text) {
  size_t used = text_length(buffer);
  while (used + 1 < size && *text != '\0') buffer[used++] = *text++;
  buffer[used] = '\0';
}

void text_append_number(char *buffer, size_t size, int64_t number) {
  char digits[24];
  size_t at = sizeof digits - 1;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  digits[at] = '\0';
  do digits[--at] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0) digits[--at] = '-';
  text_append(buffer, size, digits + at);
}

void fd_close(int *fd) {
  if (*fd >= 0) KERNEL(close, *fd);
}
