#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char buffer[1 << 18];
static size_t used;

void json_flush(void) {
  size_t written = 0;
  while (written < used) {
    ssize_t count = write(STDOUT_FILENO, buffer + written, used - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    written += (size_t)count;
  }
  used = 0;
}

static void put(const char *bytes, size_t length) {
  if (used + length > sizeof buffer) json_flush();
  if (length > sizeof buffer) length = sizeof buffer;
  memcpy(buffer + used, bytes, length);
  used += length;
}

void json_raw(const char *text) { put(text, strlen(text)); }

void json_bytes(const char *text, size_t length) {
  char escaped[8];
  put("\"", 1);
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text[i];
    if (byte == '"' || byte == '\\') {
      put((char[]){'\\', (char)byte}, 2);
    } else if (byte < 0x20) {
      put(escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", byte));
    } else {
      put((const char *)&byte, 1);
    }
  }
  put("\"", 1);
}

void json_string(const char *text) { json_bytes(text, strlen(text)); }

void json_number(long long number) {
  char text[24];
  put(text, (size_t)snprintf(text, sizeof text, "%lld", number));
}

void json_unsigned(unsigned long long number) {
  char text[24];
  put(text, (size_t)snprintf(text, sizeof text, "%llu", number));
}

void json_bool(bool value) { json_raw(value ? "true" : "false"); }

void json_errno(void) {
  const char *name = strerrorname_np(errno);
  json_raw("{\"errno\":");
  json_string(name != NULL ? name : "unknown");
  json_raw("}");
}

void json_result(long long result) {
  if (result < 0) {
    json_errno();
  } else {
    json_string("ok");
  }
}

static const struct verb *find(const char *name, size_t length) {
  const struct verb *const tables[] = {identity_verbs, file_verbs, process_verbs, system_verbs};
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
    for (const struct verb *verb = tables[t]; verb->name != NULL; verb++) {
      if (strlen(verb->name) == length && memcmp(verb->name, name, length) == 0) return verb;
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *equals = strchr(argv[i], '=');
    const struct verb *verb = find(argv[i], equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]));
    if (verb == NULL) {
      fprintf(stderr, "probe: unknown verb %s\n", argv[i]);
      return 125;
    }
    char *operand = equals != NULL ? strdup(equals + 1) : NULL;
    json_raw("[");
    json_string(argv[i]);
    json_raw(",");
    verb->run(operand);
    json_raw("]\n");
    json_flush();
    free(operand);
  }
  return 0;
}
