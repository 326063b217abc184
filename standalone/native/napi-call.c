#include "napi.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* The addon's functions by their numbers, which QuickJS hands to call_native(). */
static napi_callback functions[512];
static int function_count;

const struct image_part napi_parts[] = {
    {&the_env, sizeof the_env}, {functions, sizeof functions}, {&function_count, sizeof function_count}, {NULL, 0}};

static JSValue call_native(JSContext *ctx, JSValueConst self, int count, JSValueConst *arguments, int number) {
  (void)self;
  if (image_is_made) return image_refusal(ctx, "a function of the addon");
  struct napi_env__ *env = &the_env;
  size_t before = env->count;
  struct napi_callback_info__ info = {.count = count, .arguments = arguments};
  napi_value value = functions[number](env, &info);
  JSValue result = JS_UNDEFINED;
  if (env->has_exception) {
    env->has_exception = false;
    result = JS_EXCEPTION;
  } else if (value) {
    result = JS_DupValue(ctx, napi_at(env, value));
  }
  napi_pop(env, before);
  return result;
}

napi_status napi_create_function(napi_env env, const char *name, size_t length, napi_callback function, void *data,
                                 napi_value *result) {
  (void)length, (void)data;
  if (function_count == sizeof functions / sizeof *functions) return napi_generic_failure;
  functions[function_count] = function;
  *result = napi_push(env, JS_NewCFunctionMagic(env->ctx, call_native, name, 0, JS_CFUNC_generic_magic, function_count++));
  return napi_ok;
}

napi_status napi_call_function(napi_env env, napi_value self, napi_value function, size_t count, const napi_value *arguments,
                               napi_value *result) {
  (void)self, (void)result;
  JSValueConst values[8];
  if (count > sizeof values / sizeof *values) return napi_invalid_arg;
  for (size_t i = 0; i < count; i++) values[i] = napi_at(env, arguments[i]);
  JSValue callee = JS_DupValue(env->ctx, napi_at(env, function));
  call_back(env->ctx, callee, (int)count, values);
  JS_FreeValue(env->ctx, callee);
  return napi_ok;
}

/* Strong ones alone. */
struct napi_ref__ {
  JSValue value;
};

napi_status napi_create_reference(napi_env env, napi_value value, uint32_t initial_count, napi_ref *result) {
  (void)initial_count;
  napi_ref made = malloc(sizeof *made);
  if (!made) return napi_generic_failure;
  made->value = JS_DupValue(env->ctx, napi_at(env, value));
  *result = made;
  return napi_ok;
}

napi_status napi_get_reference_value(napi_env env, napi_ref reference, napi_value *result) {
  *result = napi_push(env, JS_DupValue(env->ctx, reference->value));
  return napi_ok;
}

napi_status napi_delete_reference(napi_env env, napi_ref reference) {
  JS_FreeValue(env->ctx, reference->value);
  free(reference);
  return napi_ok;
}

struct napi_deferred__ {
  JSValue resolve;
};

napi_status napi_create_promise(napi_env env, napi_deferred *deferred, napi_value *promise) {
  JSValue functions_of_promise[2];
  JSValue value = JS_NewPromiseCapability(env->ctx, functions_of_promise);
  struct napi_deferred__ *made = JS_IsException(value) ? NULL : malloc(sizeof *made);
  if (!made) return napi_generic_failure;
  made->resolve = functions_of_promise[0];
  JS_FreeValue(env->ctx, functions_of_promise[1]);
  *deferred = made;
  *promise = napi_push(env, value);
  return napi_ok;
}

napi_status napi_resolve_deferred(napi_env env, napi_deferred deferred, napi_value value) {
  JSValue given = JS_DupValue(env->ctx, napi_at(env, value));
  call_back(env->ctx, deferred->resolve, 1, (JSValueConst[]){given});
  JS_FreeValue(env->ctx, given);
  JS_FreeValue(env->ctx, deferred->resolve);
  free(deferred);
  return napi_ok;
}

/* Work of another thread. Each has one of its own: the command has hardly more than one at a time. */
struct napi_async_work__ {
  napi_env env;
  napi_async_execute_callback execute;
  napi_async_complete_callback complete;
  void *data;
};

napi_status napi_create_async_work(napi_env env, napi_value resource, napi_value name, napi_async_execute_callback execute,
                                   napi_async_complete_callback complete, void *data, napi_async_work *result) {
  (void)resource, (void)name;
  napi_async_work work = malloc(sizeof *work);
  if (!work) return napi_generic_failure;
  *work = (struct napi_async_work__){.env = env, .execute = execute, .complete = complete, .data = data};
  *result = work;
  return napi_ok;
}

napi_status napi_delete_async_work(napi_env env, napi_async_work work) {
  (void)env;
  free(work);
  return napi_ok;
}

static void complete_work(void *data) {
  napi_async_work work = data;
  size_t before = work->env->count;
  napi_env env = work->env;
  loop_unref();
  work->complete(env, napi_ok, work->data); /* and deletes the work */
  napi_pop(env, before);
}

static void *execute_work(void *data) {
  napi_async_work work = data;
  work->execute(work->env, work->data);
  loop_post(complete_work, work);
  return NULL;
}

/* Without signals, which are the main thread's. */
napi_status napi_queue_async_work(napi_env env, napi_async_work work) {
  (void)env;
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, NULL, execute_work, work);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error) return napi_generic_failure;
  pthread_detach(thread);
  loop_ref();
  return napi_ok;
}

struct napi_threadsafe_function__ {
  napi_env env;
  JSValue callback;
  bool has_callback, is_ref;
  void *context, *finalize_data;
  napi_finalize finalize;
  napi_threadsafe_function_call_js call;
  /* What follows is every thread's. */
  pthread_mutex_t lock;
  size_t threads;
  bool is_closing;
};

napi_status napi_create_threadsafe_function(napi_env env, napi_value callback, napi_value resource, napi_value name,
                                            size_t queue_size, size_t threads, void *finalize_data, napi_finalize finalize,
                                            void *context, napi_threadsafe_function_call_js call,
                                            napi_threadsafe_function *result) {
  (void)resource, (void)name, (void)queue_size;
  bool has_callback = callback && JS_IsFunction(env->ctx, napi_at(env, callback));
  if (!has_callback && !call) return napi_invalid_arg;
  napi_threadsafe_function made = malloc(sizeof *made);
  if (!made) return napi_generic_failure;
  *made = (struct napi_threadsafe_function__){
      .env = env,
      .callback = has_callback ? JS_DupValue(env->ctx, napi_at(env, callback)) : JS_UNDEFINED,
      .has_callback = has_callback,
      .is_ref = true,
      .context = context,
      .finalize_data = finalize_data,
      .finalize = finalize,
      .call = call,
      .lock = PTHREAD_MUTEX_INITIALIZER,
      .threads = threads,
  };
  loop_ref();
  *result = made;
  return napi_ok;
}

struct function_call {
  napi_threadsafe_function function;
  void *data;
};

static void run_call(void *data) {
  struct function_call call = *(struct function_call *)data;
  free(data);
  napi_threadsafe_function function = call.function;
  napi_env env = function->env;
  size_t before = env->count;
  napi_value callback = function->has_callback ? napi_push(env, JS_DupValue(env->ctx, function->callback)) : NULL;
  if (function->call) function->call(env, callback, function->context, call.data);
  else call_back(env->ctx, function->callback, 0, NULL);
  napi_pop(env, before);
}

static void finalize_function(void *data) {
  napi_threadsafe_function function = data;
  napi_unref_threadsafe_function(function->env, function);
  JS_FreeValue(function->env->ctx, function->callback);
  if (function->finalize) function->finalize(function->env, function->finalize_data, function->context);
  pthread_mutex_destroy(&function->lock);
  free(function);
}

napi_status napi_call_threadsafe_function(napi_threadsafe_function function, void *data,
                                          napi_threadsafe_function_call_mode mode) {
  (void)mode;
  pthread_mutex_lock(&function->lock);
  bool is_closing = function->is_closing;
  pthread_mutex_unlock(&function->lock);
  if (is_closing) return napi_closing;
  struct function_call *call = malloc(sizeof *call);
  if (!call) return napi_generic_failure;
  *call = (struct function_call){.function = function, .data = data};
  loop_post(run_call, call);
  return napi_ok;
}

/* The calls before it are in the loop's queue before the end of the function. */
napi_status napi_release_threadsafe_function(napi_threadsafe_function function, napi_threadsafe_function_release_mode mode) {
  pthread_mutex_lock(&function->lock);
  if (function->threads > 0) function->threads--;
  bool is_over = !function->is_closing && (function->threads == 0 || mode == napi_tsfn_abort);
  if (is_over) function->is_closing = true;
  pthread_mutex_unlock(&function->lock);
  if (is_over) loop_post(finalize_function, function);
  return napi_ok;
}

napi_status napi_ref_threadsafe_function(napi_env env, napi_threadsafe_function function) {
  (void)env;
  if (!function->is_ref) loop_ref();
  function->is_ref = true;
  return napi_ok;
}

napi_status napi_unref_threadsafe_function(napi_env env, napi_threadsafe_function function) {
  (void)env;
  if (function->is_ref) loop_unref();
  function->is_ref = false;
  return napi_ok;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports);

JSValue addon_exports(JSContext *ctx) {
  the_env.ctx = ctx;
  napi_value exports = napi_push(&the_env, JS_NewObject(ctx));
  napi_register_module_v1(&the_env, exports);
  JSValue result = JS_DupValue(ctx, napi_at(&the_env, exports));
  napi_pop(&the_env, 0);
  return result;
}
