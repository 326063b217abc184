#include "argument.h"

#include <stdlib.h>

/* The length of the UTF-8 sequence at the beginning of `bytes`, or, negated, of what a decoder replaces by one U+FFFD: the
 * longest beginning of a sequence that is there. See the Unicode Standard, table 3-7, and section 3.9 on substitution. */
static int sequence_length(const uint8_t *bytes, size_t left) {
  uint8_t first = bytes[0], low = 0x80, high = 0xbf;
  int length;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return -1;
  if (first < 0xe0) {
    length = 2;
  } else if (first < 0xf0) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  }
  for (int i = 1; i < length; i++) {
    if ((size_t)i == left || bytes[i] < low || bytes[i] > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

/* How many bytes at the beginning are UTF-8. */
static size_t valid_length(const uint8_t *bytes, size_t length) {
  size_t at = 0;
  while (at < length) {
    uint64_t word;
    while (at + sizeof word <= length) {
      memcpy(&word, bytes + at, sizeof word);
      if (word & 0x8080808080808080u) break;
      at += sizeof word;
    }
    if (at == length) break;
    int sequence = sequence_length(bytes + at, length - at);
    if (sequence < 0) break;
    at += (size_t)sequence;
  }
  return at;
}

static JSValue decode_invalid(JSContext *ctx, const uint8_t *bytes, size_t length) {
  if (length > SIZE_MAX / 3) return JS_ThrowOutOfMemory(ctx);
  char *into = js_malloc(ctx, length * 3);
  if (!into) return JS_EXCEPTION;
  size_t at = 0, end = 0;
  while (at < length) {
    int sequence = sequence_length(bytes + at, length - at);
    if (sequence < 0) {
      memcpy(into + end, "\xef\xbf\xbd", 3);
      end += 3;
      at += (size_t)-sequence;
    } else {
      memcpy(into + end, bytes + at, (size_t)sequence);
      end += (size_t)sequence;
      at += (size_t)sequence;
    }
  }
  JSValue string = JS_NewStringLen(ctx, into, end);
  js_free(ctx, into);
  return string;
}

JSValue decode_text(JSContext *ctx, const uint8_t *bytes, size_t length) {
  if (valid_length(bytes, length) < length) return decode_invalid(ctx, bytes, length);
  return JS_NewStringLen(ctx, (const char *)bytes, length);
}

JSValue decode_latin1(JSContext *ctx, const uint8_t *bytes, size_t length) {
  size_t high = 0;
  for (size_t i = 0; i < length; i++) high += bytes[i] >> 7;
  if (high == 0) return JS_NewStringLen(ctx, (const char *)bytes, length);
  char *into = js_malloc(ctx, length + high);
  if (!into) return JS_EXCEPTION;
  size_t end = 0;
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] < 0x80) {
      into[end++] = (char)bytes[i];
    } else {
      into[end++] = (char)(0xc0 | bytes[i] >> 6);
      into[end++] = (char)(0x80 | (bytes[i] & 0x3f));
    }
  }
  JSValue string = JS_NewStringLen(ctx, into, end);
  js_free(ctx, into);
  return string;
}

/* The engine writes lone surrogates as sequences of their own, three bytes as U+FFFD has. Only a string that is not ASCII
 * has any, and of those it makes a copy, so that the bytes are the caller's alone. */
static void replace_surrogates(char *text, size_t length) {
  char *end = text + length;
  while ((text = memchr(text, 0xed, (size_t)(end - text)))) {
    if ((uint8_t)text[1] >= 0xa0) memcpy(text, "\xef\xbf\xbd", 3);
    text += 3;
  }
}

bool text_of(JSContext *ctx, JSValueConst value, struct text *text) {
  if (!JS_IsString(value)) return false;
  text->ctx = ctx;
  text->start = JS_ToCStringLen(ctx, &text->length, value);
  if (!text->start) return false;
  replace_surrogates((char *)text->start, text->length);
  return true;
}

bool path_of(JSContext *ctx, JSValueConst value, struct text *path) {
  return text_of(ctx, value, path) && memchr(path->start, 0, path->length) == NULL;
}

bool bytes_of(JSContext *ctx, JSValueConst value, struct bytes *bytes) {
  size_t offset, size;
  JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &bytes->length, NULL);
  if (JS_IsException(buffer)) return false;
  uint8_t *start = JS_GetArrayBuffer(ctx, &size, buffer);
  JS_FreeValue(ctx, buffer);
  if (!start && size > 0) return false;
  bytes->start = start + offset;
  return true;
}

/* encodeText(text): an ArrayBuffer of its UTF-8. */
PURE_FUNCTION(encode_text) {
  TEXT(text);
  if (!text_of(ctx, arguments[0], &text)) return wrong_type(ctx);
  return JS_NewArrayBufferCopy(ctx, (const uint8_t *)text.start, text.length);
}

/* encodeTextInto(text, bytes): how many bytes it takes; where they are fewer than the text needs, as many of its characters
 * as fit are written, and what is returned is -1 less the number of their bytes. */
PURE_FUNCTION(encode_text_into) {
  TEXT(text);
  struct bytes into;
  if (!text_of(ctx, arguments[0], &text) || !bytes_of(ctx, arguments[1], &into)) return wrong_type(ctx);
  size_t length = text.length;
  if (length > into.length) {
    length = into.length;
    while (length > 0 && ((uint8_t)text.start[length] & 0xc0) == 0x80) length--;
  }
  if (length > 0) memcpy(into.start, text.start, length);
  return JS_NewInt64(ctx, length == text.length ? (int64_t)length : -1 - (int64_t)length);
}

/* encodedLength(text): how many bytes its UTF-8 has. */
PURE_FUNCTION(encoded_length) {
  TEXT(text);
  if (!text_of(ctx, arguments[0], &text)) return wrong_type(ctx);
  return JS_NewInt64(ctx, (int64_t)text.length);
}

/* A part of an array of bytes: the arguments bytes, start and end. */
static bool part_of(JSContext *ctx, JSValueConst *arguments, struct bytes *part) {
  int64_t start, end;
  if (!bytes_of(ctx, arguments[0], part) || !integer_of(arguments[1], &start) || !integer_of(arguments[2], &end)) return false;
  if (start < 0 || end < start || (uint64_t)end > part->length) return false;
  part->start += start;
  part->length = (size_t)(end - start);
  return true;
}

/* decodeText(bytes, start, end, isFatal): the text of UTF-8; -EILSEQ where it is none and `isFatal`. */
PURE_FUNCTION(decode_text_part) {
  struct bytes part;
  if (!part_of(ctx, arguments, &part)) return wrong_type(ctx);
  if (valid_length(part.start, part.length) == part.length) {
    return JS_NewStringLen(ctx, (const char *)part.start, part.length);
  }
  if (JS_ToBool(ctx, arguments[3])) return JS_NewInt32(ctx, -EILSEQ);
  return decode_invalid(ctx, part.start, part.length);
}

/* decodeLatin1(bytes, start, end) */
PURE_FUNCTION(decode_latin1_part) {
  struct bytes part;
  if (!part_of(ctx, arguments, &part)) return wrong_type(ctx);
  return decode_latin1(ctx, part.start, part.length);
}

/* compareBytes(a, b): memcmp(3), and of two of which one begins the other, the shorter one is less. */
PURE_FUNCTION(compare_bytes) {
  struct bytes a, b;
  if (!bytes_of(ctx, arguments[0], &a) || !bytes_of(ctx, arguments[1], &b)) return wrong_type(ctx);
  size_t length = a.length < b.length ? a.length : b.length;
  int order = length == 0 ? 0 : memcmp(a.start, b.start, length);
  if (order == 0) order = (a.length > b.length) - (a.length < b.length);
  return JS_NewInt32(ctx, (order > 0) - (order < 0));
}

const struct binding text_bindings[] = {
    {"encodeText", encode_text, 1},
    {"encodeTextInto", encode_text_into, 2},
    {"encodedLength", encoded_length, 1},
    {"decodeText", decode_text_part, 4},
    {"decodeLatin1", decode_latin1_part, 3},
    {"compareBytes", compare_bytes, 2},
    {0},
};
