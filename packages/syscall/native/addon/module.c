#include "addon.h"

#include <stdio.h>
#include <string.h>

struct args args_of(napi_env env, napi_callback_info info) {
  struct args args = {.env = env, .count = 12};
  if (napi_get_cb_info(env, info, &args.count, args.values, NULL, NULL) != napi_ok) args.failed = true;
  return args;
}

static napi_valuetype type_of(struct args *args, size_t index) {
  napi_valuetype type = napi_undefined;
  if (index < args->count) napi_typeof(args->env, args->values[index], &type);
  return type;
}

int32_t arg_int(struct args *args, size_t index) {
  int32_t value = 0;
  if (type_of(args, index) != napi_number || napi_get_value_int32(args->env, args->values[index], &value) != napi_ok)
    args->failed = true;
  return value;
}

int64_t arg_int64(struct args *args, size_t index) {
  int64_t value = 0;
  bool lossless = false;
  if (type_of(args, index) == napi_bigint) {
    uint64_t bits = 0;
    napi_get_value_bigint_int64(args->env, args->values[index], &value, &lossless);
    if (lossless) return value;
    napi_get_value_bigint_uint64(args->env, args->values[index], &bits, &lossless);
    if (!lossless) args->failed = true;
    return (int64_t)bits;
  }
  if (type_of(args, index) != napi_number || napi_get_value_int64(args->env, args->values[index], &value) != napi_ok)
    args->failed = true;
  return value;
}

bool arg_bool(struct args *args, size_t index) {
  bool value = false;
  if (type_of(args, index) != napi_boolean || napi_get_value_bool(args->env, args->values[index], &value) != napi_ok)
    args->failed = true;
  return value;
}

char *arg_text(struct args *args, size_t index) {
  napi_valuetype type = type_of(args, index);
  if (type == napi_undefined || type == napi_null) return NULL;
  char *text = NULL;
  size_t length = 0;
  if (type == napi_string) {
    /* To ask for the length first takes as long as the text. */
    char room[8192];
    napi_value value = args->values[index];
    if (napi_get_value_string_utf8(args->env, value, room, sizeof room, &length) != napi_ok) goto wrong;
    /* A character that does not fit is left out whole. */
    bool is_cut = length + 4 >= sizeof room;
    if (is_cut && napi_get_value_string_utf8(args->env, value, NULL, 0, &length) != napi_ok) goto wrong;
    text = malloc(length + 1);
    if (text == NULL) goto wrong;
    if (!is_cut) memcpy(text, room, length);
    else if (napi_get_value_string_utf8(args->env, value, text, length + 1, &length) != napi_ok) goto wrong;
  } else {
    uint8_t *bytes = arg_bytes(args, index, &length);
    if (args->failed) return NULL;
    text = malloc(length + 1);
    if (text == NULL) goto wrong;
    if (length > 0) memcpy(text, bytes, length);
  }
  text[length] = '\0';
  if (strlen(text) == length) return text;
wrong:
  free(text);
  args->failed = true;
  return NULL;
}

struct place arg_place(struct args *args, size_t index) {
  struct place place = {.dir_fd = arg_int(args, index)};
  place.path = arg_text(args, index + 1);
  return place;
}

uint8_t *arg_bytes(struct args *args, size_t index, size_t *length) {
  *length = 0;
  napi_valuetype type = type_of(args, index);
  if (type == napi_undefined || type == napi_null) return NULL;
  bool is_array = false;
  napi_typedarray_type kind;
  void *data = NULL;
  napi_is_typedarray(args->env, args->values[index], &is_array);
  if (!is_array ||
      napi_get_typedarray_info(args->env, args->values[index], &kind, length, &data, NULL, NULL) != napi_ok ||
      kind != napi_uint8_array) {
    args->failed = true;
    *length = 0;
    return NULL;
  }
  return data;
}

int32_t *arg_ints(struct args *args, size_t index, size_t *length) {
  *length = 0;
  uint32_t count = 0;
  bool is_array = false;
  if (index < args->count) napi_is_array(args->env, args->values[index], &is_array);
  if (!is_array || napi_get_array_length(args->env, args->values[index], &count) != napi_ok) {
    args->failed = true;
    return NULL;
  }
  int32_t *numbers = calloc(count ? count : 1, sizeof *numbers);
  if (!numbers) args->failed = true;
  for (uint32_t i = 0; numbers && i < count; i++) {
    napi_value element;
    if (napi_get_element(args->env, args->values[index], i, &element) != napi_ok ||
        napi_get_value_int32(args->env, element, &numbers[i]) != napi_ok)
      args->failed = true;
  }
  if (numbers) *length = count;
  return numbers;
}

bool args_failed(struct args *args) {
  if (args->failed) napi_throw_type_error(args->env, NULL, "wrong argument type");
  return args->failed;
}

napi_value number_value(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}

napi_value result_value(napi_env env, int64_t result) { return number_value(env, result < 0 ? -(int64_t)errno : result); }

napi_value text_value(napi_env env, const char *text, size_t length) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, length, &value);
  return value;
}

napi_value array_value(napi_env env, const int64_t *numbers, size_t count) {
  napi_value array = NULL;
  napi_create_array_with_length(env, count, &array);
  for (size_t i = 0; i < count; i++) napi_set_element(env, array, (uint32_t)i, number_value(env, numbers[i]));
  return array;
}

static void add_exports(napi_env env, napi_value exports, const struct export_entry *entries) {
  for (; entries->name; entries++) {
    napi_value function;
    if (napi_create_function(env, entries->name, NAPI_AUTO_LENGTH, entries->function, NULL, &function) == napi_ok)
      napi_set_named_property(env, exports, entries->name, function);
  }
}

NAPI_MODULE_INIT() {
  add_exports(env, exports, path_exports);
  add_exports(env, exports, process_exports);
  add_exports(env, exports, socket_exports);
  add_exports(env, exports, watch_exports);
  add_exports(env, exports, terminal_exports);
  add_exports(env, exports, file_exports);
  add_exports(env, exports, sync_exports);
  add_exports(env, exports, writer_exports);
  add_exports(env, exports, attribute_exports);
  add_exports(env, exports, mount_exports);
  add_exports(env, exports, bpf_exports);
  add_exports(env, exports, systemd_exports);
  add_exports(env, exports, netlink_exports);
  add_exports(env, exports, signal_exports);
  return exports;
}
