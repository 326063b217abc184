/* Arguments of a function that JavaScript calls. Each of these returns false when the type is wrong: the function then
 * returns wrong_type(). */
#ifndef RUNLET_ARGUMENT_H
#define RUNLET_ARGUMENT_H

#include "engine.h"

#include <errno.h>
#include <string.h>

/* A function that JavaScript calls. At least as many arguments are there as its table says. A pure one has the same result
 * on every machine and in every process; the others are none of an image's. */
#define UNUSED __attribute__((unused))
#define PURE_FUNCTION(name)                                                                       \
  static JSValue name(UNUSED JSContext *ctx, UNUSED JSValueConst self, UNUSED int argument_count, \
                      UNUSED JSValueConst *arguments)
#define FUNCTION(name)                                                                           \
  static JSValue name##_of_host(JSContext *, JSValueConst, int, JSValueConst *);                 \
  PURE_FUNCTION(name) {                                                                          \
    return image_is_made ? image_refusal(ctx, #name) : name##_of_host(ctx, self, argument_count, arguments); \
  }                                                                                              \
  static JSValue name##_of_host(UNUSED JSContext *ctx, UNUSED JSValueConst self, UNUSED int argument_count, \
                                UNUSED JSValueConst *arguments)

/* A number without a fraction between -2^53 and 2^53. */
static inline bool integer_of(JSValueConst value, int64_t *integer) {
  int tag = JS_VALUE_GET_NORM_TAG(value);
  if (tag == JS_TAG_INT) {
    *integer = JS_VALUE_GET_INT(value);
    return true;
  }
  if (tag != JS_TAG_FLOAT64) return false;
  double number = JS_VALUE_GET_FLOAT64(value);
  if (!(number >= -0x1p53 && number <= 0x1p53)) return false;
  *integer = (int64_t)number;
  return (double)*integer == number;
}

static inline bool int_of(JSValueConst value, int *number) {
  int64_t integer;
  if (!integer_of(value, &integer) || integer < INT32_MIN || integer > UINT32_MAX) return false;
  *number = (int)integer;
  return true;
}

/* A string as UTF-8, of which lone surrogates become U+FFFD, ending in a NUL that `length` does not count. */
struct text {
  JSContext *ctx;
  const char *start;
  size_t length;
};
bool text_of(JSContext *ctx, JSValueConst value, struct text *text);
/* As text_of(), and without a NUL inside. */
bool path_of(JSContext *ctx, JSValueConst value, struct text *path);
static inline void cleanup_text(struct text *text) {
  if (text->start) JS_FreeCString(text->ctx, text->start);
}
#define TEXT(name) __attribute__((cleanup(cleanup_text))) struct text name = {0}

/* The bytes of a Uint8Array, which keep their place while it lives and no JavaScript runs. */
struct bytes {
  uint8_t *start;
  size_t length;
};
bool bytes_of(JSContext *ctx, JSValueConst value, struct bytes *bytes);

/* The string that UTF-8 stands for; what is not UTF-8 becomes U+FFFD, as the Encoding Standard has it. */
JSValue decode_text(JSContext *ctx, const uint8_t *bytes, size_t length);
JSValue decode_latin1(JSContext *ctx, const uint8_t *bytes, size_t length);

/* `result` of a call that sets errno: itself, or -errno. */
static inline JSValue result_value(JSContext *ctx, int64_t result) {
  return JS_NewInt64(ctx, result < 0 ? -errno : result);
}

/* A call that a signal may interrupt before it has done anything, made until it has. */
#define RETRY(call)                             \
  ({                                            \
    int64_t retry_result;                       \
    do retry_result = (int64_t)(call);          \
    while (retry_result < 0 && errno == EINTR); \
    retry_result;                               \
  })

#endif
