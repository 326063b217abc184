#include "napi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct napi_env__ the_env;

void napi_settle(void) {
  free(the_env.values);
  the_env.values = NULL;
  the_env.room = 0;
}

napi_value napi_push(napi_env env, JSValue value) {
  if (env->count == env->room) {
    size_t room = env->room ? env->room * 2 : 64;
    JSValue *values = realloc(env->values, room * sizeof *values);
    if (!values) abort();
    env->values = values;
    env->room = room;
  }
  env->values[env->count++] = value;
  return (napi_value)(uintptr_t)env->count; /* never NULL */
}

JSValueConst napi_at(napi_env env, napi_value value) { return env->values[(uintptr_t)value - 1]; }

void napi_pop(napi_env env, size_t count) {
  while (env->count > count) JS_FreeValue(env->ctx, env->values[--env->count]);
}

static napi_status give(napi_env env, JSValue value, napi_value *result) {
  if (JS_IsException(value)) {
    env->has_exception = true;
    return napi_pending_exception;
  }
  *result = napi_push(env, value);
  return napi_ok;
}

/* An exception of a question is its answer. */
static napi_status no(napi_env env, napi_status status) {
  JS_FreeValue(env->ctx, JS_GetException(env->ctx));
  return status;
}

napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *count, napi_value *values, napi_value *self,
                             void **data) {
  (void)self, (void)data;
  size_t given = (size_t)info->count;
  for (size_t i = 0; i < *count; i++)
    values[i] = napi_push(env, i < given ? JS_DupValue(env->ctx, info->arguments[i]) : JS_UNDEFINED);
  *count = given < *count ? given : *count;
  return napi_ok;
}

napi_status napi_typeof(napi_env env, napi_value value, napi_valuetype *result) {
  JSValueConst given = napi_at(env, value);
  switch (JS_VALUE_GET_NORM_TAG(given)) {
    case JS_TAG_INT:
    case JS_TAG_FLOAT64: *result = napi_number; break;
    case JS_TAG_BIG_INT: *result = napi_bigint; break;
    case JS_TAG_STRING: *result = napi_string; break;
    case JS_TAG_BOOL: *result = napi_boolean; break;
    case JS_TAG_NULL: *result = napi_null; break;
    case JS_TAG_UNDEFINED: *result = napi_undefined; break;
    case JS_TAG_SYMBOL: *result = napi_symbol; break;
    default:
      *result = JS_IsFunction(env->ctx, given)                     ? napi_function
                : JS_GetOpaque(given, env->external_class) != NULL ? napi_external
                                                                   : napi_object;
  }
  return napi_ok;
}

napi_status napi_get_value_double(napi_env env, napi_value value, double *result) {
  JSValueConst given = napi_at(env, value);
  if (!JS_IsNumber(given)) return napi_number_expected;
  JS_ToFloat64(env->ctx, result, given);
  return napi_ok;
}

napi_status napi_get_value_int32(napi_env env, napi_value value, int32_t *result) {
  JSValueConst given = napi_at(env, value);
  if (!JS_IsNumber(given)) return napi_number_expected;
  JS_ToInt32(env->ctx, result, given);
  return napi_ok;
}

/* Numbers outside the type become its limits, those that are not finite 0. */
napi_status napi_get_value_int64(napi_env env, napi_value value, int64_t *result) {
  double number;
  napi_status status = napi_get_value_double(env, value, &number);
  if (status != napi_ok) return status;
  *result = !isfinite(number) ? 0 : number >= 0x1p63 ? INT64_MAX : number < -0x1p63 ? INT64_MIN : (int64_t)number;
  return napi_ok;
}

napi_status napi_get_value_bool(napi_env env, napi_value value, bool *result) {
  JSValueConst given = napi_at(env, value);
  if (!JS_IsBool(given)) return napi_boolean_expected;
  *result = JS_ToBool(env->ctx, given);
  return napi_ok;
}

/* The lowest 64 bits, and whether a BigInt that is made of them is the same again. */
static napi_status bigint_bits(napi_env env, napi_value value, bool is_signed, int64_t *bits, bool *lossless) {
  JSContext *ctx = env->ctx;
  JSValueConst given = napi_at(env, value);
  if (!JS_IsBigInt(ctx, given)) return napi_bigint_expected;
  JS_ToBigInt64(ctx, bits, given);
  JSValue again = is_signed ? JS_NewBigInt64(ctx, *bits) : JS_NewBigUint64(ctx, (uint64_t)*bits);
  const char *one = JS_ToCString(ctx, given), *other = JS_ToCString(ctx, again);
  *lossless = one && other && strcmp(one, other) == 0;
  JS_FreeCString(ctx, one);
  JS_FreeCString(ctx, other);
  JS_FreeValue(ctx, again);
  return napi_ok;
}

napi_status napi_get_value_bigint_int64(napi_env env, napi_value value, int64_t *result, bool *lossless) {
  return bigint_bits(env, value, true, result, lossless);
}

napi_status napi_get_value_bigint_uint64(napi_env env, napi_value value, uint64_t *result, bool *lossless) {
  return bigint_bits(env, value, false, (int64_t *)result, lossless);
}

/* Half a surrogate pair, which QuickJS writes as three bytes, is U+FFFD in UTF-8. */
static void replace_surrogates(char *text, size_t length) {
  for (size_t i = 0; i + 2 < length; i++)
    if ((uint8_t)text[i] == 0xed && (uint8_t)text[i + 1] >= 0xa0) memcpy(text + i, "\xef\xbf\xbd", 3);
}

napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char *buffer, size_t room, size_t *length) {
  JSValueConst given = napi_at(env, value);
  if (!JS_IsString(given)) return napi_string_expected;
  size_t whole;
  const char *text = JS_ToCStringLen(env->ctx, &whole, given);
  if (!text) return no(env, napi_generic_failure);
  if (buffer && room > 0) {
    if (whole > room - 1) whole = room - 1;
    memcpy(buffer, text, whole);
    replace_surrogates(buffer, whole);
    buffer[whole] = '\0';
  }
  if (length) *length = whole;
  JS_FreeCString(env->ctx, text);
  return napi_ok;
}

napi_status napi_is_typedarray(napi_env env, napi_value value, bool *result) {
  JSValueConst given = napi_at(env, value);
  *result = false;
  if (!JS_IsObject(given)) return napi_ok;
  JSValue buffer = JS_GetTypedArrayBuffer(env->ctx, given, NULL, NULL, NULL);
  *result = !JS_IsException(buffer);
  if (!*result) return no(env, napi_ok);
  JS_FreeValue(env->ctx, buffer);
  return napi_ok;
}

napi_status napi_get_typedarray_info(napi_env env, napi_value value, napi_typedarray_type *type, size_t *length,
                                     void **data, napi_value *array_buffer, size_t *byte_offset) {
  (void)array_buffer, (void)byte_offset;
  size_t offset, bytes, element, whole;
  JSValue buffer = JS_GetTypedArrayBuffer(env->ctx, napi_at(env, value), &offset, &bytes, &element);
  if (JS_IsException(buffer)) return no(env, napi_invalid_arg);
  uint8_t *start = JS_GetArrayBuffer(env->ctx, &whole, buffer);
  JS_FreeValue(env->ctx, buffer);
  if (!start && bytes > 0) return no(env, napi_invalid_arg);
  *type = element == 1 ? napi_uint8_array : element == 2 ? napi_uint16_array : element == 4 ? napi_uint32_array : napi_float64_array;
  *length = bytes / element;
  *data = start ? start + offset : NULL;
  return napi_ok;
}

napi_status napi_is_array(napi_env env, napi_value value, bool *result) {
  *result = JS_IsArray(env->ctx, napi_at(env, value)) > 0;
  return napi_ok;
}

napi_status napi_get_array_length(napi_env env, napi_value value, uint32_t *result) {
  JSValue length = JS_GetPropertyStr(env->ctx, napi_at(env, value), "length");
  if (JS_IsException(length) || JS_ToUint32(env->ctx, result, length)) return no(env, napi_array_expected);
  return napi_ok;
}

napi_status napi_get_element(napi_env env, napi_value array, uint32_t index, napi_value *result) {
  return give(env, JS_GetPropertyUint32(env->ctx, napi_at(env, array), index), result);
}

napi_status napi_set_element(napi_env env, napi_value array, uint32_t index, napi_value value) {
  JSValue element = JS_DupValue(env->ctx, napi_at(env, value));
  return JS_DefinePropertyValueUint32(env->ctx, napi_at(env, array), index, element, JS_PROP_C_W_E) < 0
             ? no(env, napi_generic_failure)
             : napi_ok;
}

napi_status napi_set_named_property(napi_env env, napi_value object, const char *name, napi_value value) {
  JSValue property = JS_DupValue(env->ctx, napi_at(env, value));
  return JS_SetPropertyStr(env->ctx, napi_at(env, object), name, property) < 0 ? no(env, napi_generic_failure) : napi_ok;
}

napi_status napi_get_undefined(napi_env env, napi_value *result) { return give(env, JS_UNDEFINED, result); }
napi_status napi_create_object(napi_env env, napi_value *result) { return give(env, JS_NewObject(env->ctx), result); }

napi_status napi_create_array_with_length(napi_env env, size_t length, napi_value *result) {
  (void)length;
  return give(env, JS_NewArray(env->ctx), result);
}

napi_status napi_create_int64(napi_env env, int64_t number, napi_value *result) {
  return give(env, JS_NewInt64(env->ctx, number), result);
}

napi_status napi_create_string_utf8(napi_env env, const char *text, size_t length, napi_value *result) {
  return give(env, JS_NewStringLen(env->ctx, text, length == NAPI_AUTO_LENGTH ? strlen(text) : length), result);
}

/* A Buffer over a copy of the bytes. */
napi_status napi_create_buffer_copy(napi_env env, size_t length, const void *bytes, void **data, napi_value *result) {
  (void)data;
  JSContext *ctx = env->ctx;
  JSValue global = JS_GetGlobalObject(ctx), buffer_class = JS_GetPropertyStr(ctx, global, "Buffer");
  JSValue copy = JS_NewArrayBufferCopy(ctx, bytes, length);
  JSValue buffer = JS_IsException(copy) ? JS_EXCEPTION : JS_CallConstructor(ctx, buffer_class, 1, (JSValueConst[]){copy});
  JS_FreeValue(ctx, copy);
  JS_FreeValue(ctx, buffer_class);
  JS_FreeValue(ctx, global);
  return give(env, buffer, result);
}

struct external {
  void *data, *hint;
  napi_finalize finalize;
};

static void finalize_external(JSRuntime *runtime, JSValue value) {
  (void)runtime;
  struct external *external = JS_GetOpaque(value, the_env.external_class);
  if (external && external->finalize) external->finalize(&the_env, external->data, external->hint);
  free(external);
}

napi_status napi_create_external(napi_env env, void *data, napi_finalize finalize, void *hint, napi_value *result) {
  if (env->external_class == 0) {
    JS_NewClassID(&env->external_class);
    JS_NewClass(JS_GetRuntime(env->ctx), env->external_class,
                &(JSClassDef){.class_name = "External", .finalizer = finalize_external});
    JS_SetClassProto(env->ctx, env->external_class, JS_NewObject(env->ctx));
  }
  struct external *external = malloc(sizeof *external);
  if (!external) return napi_generic_failure;
  *external = (struct external){.data = data, .hint = hint, .finalize = finalize};
  JSValue value = JS_NewObjectClass(env->ctx, (int)env->external_class);
  if (JS_IsException(value)) free(external);
  else JS_SetOpaque(value, external);
  return give(env, value, result);
}

napi_status napi_get_value_external(napi_env env, napi_value value, void **result) {
  struct external *external = env->external_class ? JS_GetOpaque(napi_at(env, value), env->external_class) : NULL;
  if (!external) return napi_invalid_arg;
  *result = external->data;
  return napi_ok;
}

napi_status napi_throw_type_error(napi_env env, const char *code, const char *message) {
  (void)code;
  JS_ThrowTypeError(env->ctx, "%s", message);
  env->has_exception = true;
  return napi_ok;
}

napi_status napi_set_instance_data(napi_env env, void *data, napi_finalize finalize, void *hint) {
  (void)finalize, (void)hint;
  env->instance_data = data;
  return napi_ok;
}

napi_status napi_get_instance_data(napi_env env, void **data) {
  *data = env->instance_data;
  return napi_ok;
}

/* The environment ends with the process. */
napi_status napi_add_env_cleanup_hook(napi_env env, void (*hook)(void *), void *data) {
  (void)env, (void)hook, (void)data;
  return napi_ok;
}
