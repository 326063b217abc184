/* One method call to systemd over D-Bus, by libsystemd's sd-bus. The library is opened when the first call is made: a host
 * without systemd needs none of it. A call runs on a thread of libuv's pool; if it starts a job, it goes on until that job has
 * been removed. What is called, with which arguments, is decided in TypeScript. */
#include "addon.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* sd_bus_error of <systemd/sd-bus.h>. */
struct bus_error {
  const char *name, *message;
  int need_free;
};
typedef int (*message_handler)(void *message, void *context, struct bus_error *error);

/* The functions in use, with their types in <systemd/sd-bus.h>; bus, message and slot are opaque. */
#define SD_BUS_FUNCTIONS(X)                                                                                           \
  X(int, sd_bus_new, (void **bus))                                                                                    \
  X(int, sd_bus_set_address, (void *bus, const char *address))                                                        \
  X(int, sd_bus_set_bus_client, (void *bus, int is_client))                                                           \
  X(int, sd_bus_start, (void *bus))                                                                                   \
  X(void *, sd_bus_flush_close_unref, (void *bus))                                                                    \
  X(void *, sd_bus_slot_unref, (void *slot))                                                                          \
  X(int, sd_bus_match_signal,                                                                                         \
    (void *bus, void **slot, const char *sender, const char *path, const char *interface, const char *member,         \
     message_handler handler, void *context))                                                                         \
  X(int, sd_bus_call, (void *bus, void *message, uint64_t usec, struct bus_error *error, void **reply))               \
  X(int, sd_bus_process, (void *bus, void **message))                                                                 \
  X(int, sd_bus_wait, (void *bus, uint64_t usec))                                                                     \
  X(void, sd_bus_error_free, (struct bus_error *error))                                                               \
  X(int, sd_bus_message_new_method_call,                                                                              \
    (void *bus, void **message, const char *destination, const char *path, const char *interface,                     \
     const char *member))                                                                                             \
  X(void *, sd_bus_message_unref, (void *message))                                                                    \
  X(int, sd_bus_message_append_basic, (void *message, char type, const void *value))                                  \
  X(int, sd_bus_message_append_array, (void *message, char type, const void *bytes, size_t length))                   \
  X(int, sd_bus_message_open_container, (void *message, char type, const char *contents))                             \
  X(int, sd_bus_message_close_container, (void *message))                                                             \
  X(int, sd_bus_message_enter_container, (void *message, char type, const char *contents))                            \
  X(int, sd_bus_message_peek_type, (void *message, char *type, const char **contents))                                \
  X(int, sd_bus_message_read, (void *message, const char *types, ...))                                                \
  X(int, sd_bus_message_read_basic, (void *message, char type, void *value))

#define DECLARE(type, name, parameters) static type(*name) parameters;
SD_BUS_FUNCTIONS(DECLARE)

/* -> 0, or -ELIBACC without the library, -ELIBBAD with one that lacks a function. */
static int load_library(void) {
  static void *library;
  if (library) return 0;
  void *opened = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!opened) return -ELIBACC;
#define RESOLVE(type, name, parameters)          \
  *(void **)&name = dlsym(opened, #name);        \
  if (!name) {                                   \
    dlclose(opened);                             \
    return -ELIBBAD;                             \
  }
  SD_BUS_FUNCTIONS(RESOLVE)
  library = opened;
  return 0;
}

/* A job that has been removed while the call was under way. */
struct removed_job {
  struct removed_job *next;
  char *path, *result;
};

struct call {
  napi_deferred deferred;
  napi_async_work work;
  void *bus, *message, *slot;
  bool is_peer, waits_for_job;
  int64_t timeout_usec;
  int status;
  char *error_name, *error_message, *reply, *job_result;
  struct removed_job *removed;
};

/* Length of the first complete type of a signature; 0 if there is none. */
static size_t type_length(const char *signature) {
  if (*signature == 'a') {
    size_t length = type_length(signature + 1);
    return length ? length + 1 : 0;
  }
  if (*signature != '(') return *signature && strchr("ybnqiuxtdsogv", *signature) ? 1 : 0;
  size_t length = 1;
  while (signature[length] && signature[length] != ')') {
    size_t part = type_length(signature + length);
    if (!part) return 0;
    length += part;
  }
  return signature[length] == ')' ? length + 1 : 0;
}

static int append(struct args *args, void *message, const char *signature, napi_value value);

static int append_integer(struct args *args, void *message, char type, napi_value value) {
  struct args one = {.env = args->env, .count = 1, .values = {value}};
  int64_t number = arg_int64(&one, 0);
  if (one.failed) return -EINVAL;
  /* Each type's own size: append_basic reads as many bytes. */
  uint8_t byte = (uint8_t)number;
  uint16_t half = (uint16_t)number;
  uint32_t word = (uint32_t)number;
  const void *bytes = type == 'y' ? (void *)&byte : type == 'n' || type == 'q' ? (void *)&half
                      : type == 'i' || type == 'u' ? (void *)&word : (void *)&number;
  return sd_bus_message_append_basic(message, type, bytes);
}

static int append_text(struct args *args, void *message, char type, napi_value value) {
  struct args one = {.env = args->env, .count = 1, .values = {value}};
  CLEANUP_FREE char *text = arg_text(&one, 0);
  if (one.failed || !text) return -EINVAL;
  return sd_bus_message_append_basic(message, type, text);
}

/* The elements of a JavaScript array: all of one type (`a`), or of the types of a struct one after the other (`(`). */
static int append_elements(struct args *args, void *message, const char *signature, napi_value value) {
  size_t length = type_length(signature);
  CLEANUP_FREE char *contents = strndup(signature + 1, *signature == 'a' ? length - 1 : length - 2);
  uint32_t count = 0;
  if (!contents || napi_get_array_length(args->env, value, &count) != napi_ok) return -EINVAL;
  int status = sd_bus_message_open_container(message, *signature == 'a' ? 'a' : 'r', contents);
  const char *type = contents;
  for (uint32_t i = 0; i < count && status >= 0; i++) {
    napi_value element;
    if (napi_get_element(args->env, value, i, &element) != napi_ok) return -EINVAL;
    status = append(args, message, type, element);
    if (*signature == '(') type += type_length(type);
  }
  return status < 0 ? status : sd_bus_message_close_container(message);
}

/* A variant: an array of its signature and its value. */
static int append_variant(struct args *args, void *message, napi_value value) {
  napi_value parts[2];
  for (uint32_t i = 0; i < 2; i++)
    if (napi_get_element(args->env, value, i, &parts[i]) != napi_ok) return -EINVAL;
  struct args one = {.env = args->env, .count = 1, .values = {parts[0]}};
  CLEANUP_FREE char *signature = arg_text(&one, 0);
  if (one.failed || !signature) return -EINVAL;
  int status = sd_bus_message_open_container(message, 'v', signature);
  if (status >= 0) status = append(args, message, signature, parts[1]);
  return status < 0 ? status : sd_bus_message_close_container(message);
}

/* Appends the first complete type of a signature. */
static int append(struct args *args, void *message, const char *signature, napi_value value) {
  if (!type_length(signature)) return -EINVAL;
  switch (*signature) {
    case 's':
    case 'o':
    case 'g':
      return append_text(args, message, *signature, value);
    case 'b': {
      bool truth = false;
      if (napi_get_value_bool(args->env, value, &truth) != napi_ok) return -EINVAL;
      int number = truth;
      return sd_bus_message_append_basic(message, 'b', &number);
    }
    case 'd': {
      double number = 0;
      if (napi_get_value_double(args->env, value, &number) != napi_ok) return -EINVAL;
      return sd_bus_message_append_basic(message, 'd', &number);
    }
    case 'v':
      return append_variant(args, message, value);
    case 'a': {
      bool is_bytes = false;
      napi_is_typedarray(args->env, value, &is_bytes);
      if (signature[1] != 'y' || !is_bytes) return append_elements(args, message, signature, value);
      struct args one = {.env = args->env, .count = 1, .values = {value}};
      size_t length = 0;
      uint8_t *bytes = arg_bytes(&one, 0, &length);
      return one.failed ? -EINVAL : sd_bus_message_append_array(message, 'y', bytes, length);
    }
    case '(':
      return append_elements(args, message, signature, value);
    default:
      return append_integer(args, message, *signature, value);
  }
}

static int remember_removed_job(void *message, void *context, struct bus_error *error) {
  (void)error;
  struct call *call = context;
  uint32_t id;
  const char *path = NULL, *unit = NULL, *result = NULL;
  if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0) return 0;
  struct removed_job *job = calloc(1, sizeof *job);
  if (!job) return 0;
  *job = (struct removed_job){.next = call->removed, .path = strdup(path), .result = strdup(result)};
  call->removed = job;
  return 0;
}

/* The reply's first value as text: a string, an object path, or a variant of one. */
static char *read_reply(void *reply) {
  char type = 0;
  const char *contents = NULL, *text = NULL;
  if (sd_bus_message_peek_type(reply, &type, &contents) <= 0) return NULL;
  if (type == 'v') {
    if (sd_bus_message_enter_container(reply, 'v', contents) <= 0) return NULL;
    type = contents[0];
  }
  if ((type != 's' && type != 'o') || sd_bus_message_read_basic(reply, type, &text) <= 0) return NULL;
  return strdup(text);
}

static int64_t now_usec(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int wait_for_job(struct call *call, int64_t deadline_usec) {
  for (;;) {
    for (struct removed_job *job = call->removed; job; job = job->next) {
      if (!job->path || !call->reply || strcmp(job->path, call->reply) != 0) continue;
      call->job_result = strdup(job->result ? job->result : "");
      return 0;
    }
    int status = sd_bus_process(call->bus, NULL);
    if (status < 0) return status;
    if (status > 0) continue;
    int64_t left_usec = deadline_usec - now_usec();
    if (left_usec <= 0) return -ETIMEDOUT;
    status = sd_bus_wait(call->bus, (uint64_t)left_usec);
    if (status < 0 && status != -EINTR) return status;
  }
}

/* On a thread of the pool. */
static void execute(napi_env env, void *data) {
  (void)env;
  struct call *call = data;
  int64_t deadline_usec = now_usec() + call->timeout_usec;
  if (call->waits_for_job) {
    /* Before the call: the job may be done when its reply arrives. */
    call->status = sd_bus_match_signal(call->bus, &call->slot, call->is_peer ? NULL : "org.freedesktop.systemd1",
                                       "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved",
                                       remember_removed_job, call);
    if (call->status < 0) return;
  }
  struct bus_error error = {0};
  void *reply = NULL;
  call->status = sd_bus_call(call->bus, call->message, (uint64_t)call->timeout_usec, &error, &reply);
  if (error.name) call->error_name = strdup(error.name);
  if (error.message) call->error_message = strdup(error.message);
  sd_bus_error_free(&error);
  if (call->status < 0) return;
  call->reply = read_reply(reply);
  sd_bus_message_unref(reply);
  call->status = call->waits_for_job ? wait_for_job(call, deadline_usec) : 0;
}

static void free_call(struct call *call) {
  if (call->slot) sd_bus_slot_unref(call->slot);
  if (call->message) sd_bus_message_unref(call->message);
  if (call->bus) sd_bus_flush_close_unref(call->bus);
  while (call->removed) {
    struct removed_job *job = call->removed;
    call->removed = job->next;
    free(job->path);
    free(job->result);
    free(job);
  }
  free(call->error_name);
  free(call->error_message);
  free(call->reply);
  free(call->job_result);
  free(call);
}

static void set_text(napi_env env, napi_value object, const char *name, const char *text) {
  if (text) napi_set_named_property(env, object, name, text_value(env, text, strlen(text)));
}

/* On JavaScript's own thread again. */
static void complete(napi_env env, napi_status status, void *data) {
  struct call *call = data;
  napi_value result;
  napi_create_object(env, &result);
  if (status != napi_ok) call->status = -ECANCELED;
  napi_set_named_property(env, result, "status", number_value(env, call->status));
  set_text(env, result, "errorName", call->error_name);
  set_text(env, result, "errorMessage", call->error_message);
  set_text(env, result, "reply", call->reply);
  set_text(env, result, "jobResult", call->job_result);
  napi_resolve_deferred(env, call->deferred, result);
  napi_delete_async_work(env, call->work);
  free_call(call);
}

/* Connects and builds the message: the first complete types of `signature`, one for each element of `values`. */
static int prepare(struct call *call, struct args *args, const char *texts[5], napi_value values) {
  int status = sd_bus_new(&call->bus);
  if (status >= 0) status = sd_bus_set_address(call->bus, texts[0]);
  if (status >= 0 && !call->is_peer) status = sd_bus_set_bus_client(call->bus, 1);
  if (status >= 0) status = sd_bus_start(call->bus);
  if (status < 0) return status;
  status = sd_bus_message_new_method_call(call->bus, &call->message, call->is_peer ? NULL : "org.freedesktop.systemd1",
                                          texts[1], texts[2], texts[3]);
  const char *signature = texts[4];
  for (uint32_t i = 0; status >= 0 && *signature; i++) {
    napi_value value;
    if (napi_get_element(args->env, values, i, &value) != napi_ok) return -EINVAL;
    status = append(args, call->message, signature, value);
    signature += status < 0 ? 0 : type_length(signature);
  }
  return status;
}

/* systemdCall(address, isPeer, path, interface, member, signature, values, waitsForJob, timeoutMs)
 *   -> -errno, or a promise of { status, errorName?, errorMessage?, reply?, jobResult? } */
static napi_value systemd_call(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_FREE char *address = arg_text(&args, 0);
  bool is_peer = arg_bool(&args, 1);
  CLEANUP_FREE char *path = arg_text(&args, 2);
  CLEANUP_FREE char *interface = arg_text(&args, 3);
  CLEANUP_FREE char *member = arg_text(&args, 4);
  CLEANUP_FREE char *signature = arg_text(&args, 5);
  bool waits_for_job = arg_bool(&args, 7);
  int64_t timeout_ms = arg_int64(&args, 8);
  if (!address || !path || !interface || !member || !signature) args.failed = true;
  if (args_failed(&args)) return NULL;
  int status = load_library();
  if (status < 0) return number_value(env, status);
  struct call *call = calloc(1, sizeof *call);
  if (!call) return number_value(env, -ENOMEM);
  call->is_peer = is_peer;
  call->waits_for_job = waits_for_job;
  call->timeout_usec = timeout_ms * 1000;
  status = prepare(call, &args, (const char *[]){address, path, interface, member, signature}, args.values[6]);
  napi_value promise = NULL, name = text_value(env, "runlet.systemd", NAPI_AUTO_LENGTH);
  if (status >= 0 && (napi_create_promise(env, &call->deferred, &promise) != napi_ok ||
                      napi_create_async_work(env, NULL, name, execute, complete, call, &call->work) != napi_ok ||
                      napi_queue_async_work(env, call->work) != napi_ok))
    status = -ENOMEM;
  if (status >= 0) return promise;
  free_call(call);
  return number_value(env, status);
}

const struct export_entry systemd_exports[] = {{"systemdCall", systemd_call}, {0}};
