/* Waiting in the engine's own loop, where that is libuv's as in Node: the loop polls the epoll that holds all watches, and no
 * thread has to be woken first. Only that one descriptor is libuv's: it makes what it polls non-blocking, which would hold
 * for everybody who shares the open file. */
#include "addon.h"

#include <sys/epoll.h>

/* Of libuv's <uv.h>, which not every engine has: the functions are looked for in the executable, and may be absent. */
struct uv_poll;
typedef void uv_poll_callback(struct uv_poll *handle, int status, int events);
typedef void uv_close_callback(struct uv_poll *handle);
#define UV_POLL_TYPE 8
#define UV_READABLE_EVENT 1
#define WEAK __attribute__((weak, visibility("default")))
WEAK extern size_t uv_handle_size(int type);
WEAK extern void uv_handle_set_data(struct uv_poll *handle, void *data);
WEAK extern void *uv_handle_get_data(const struct uv_poll *handle);
WEAK extern int uv_poll_init(struct uv_loop_s *loop, struct uv_poll *handle, int fd);
WEAK extern int uv_poll_start(struct uv_poll *handle, int events, uv_poll_callback *callback);
WEAK extern void uv_close(struct uv_poll *handle, uv_close_callback *callback);
WEAK extern void uv_ref(struct uv_poll *handle);
WEAK extern void uv_unref(struct uv_poll *handle);

#pragma weak napi_get_uv_event_loop

struct loop_watcher {
  napi_env env;
  int epoll_fd;
  struct uv_poll *handle;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
};

static void call_back(struct loop_watcher *watcher, uint64_t data) {
  napi_env env = watcher->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback, receiver, arguments[2] = {number_value(env, (int32_t)data), number_value(env, (int64_t)(data >> 32))};
  napi_get_reference_value(env, watcher->callback, &callback);
  napi_get_global(env, &receiver);
  if (napi_make_callback(env, watcher->context, receiver, callback, 2, arguments, NULL) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

static void on_events(struct uv_poll *handle, int status, int events) {
  (void)status;
  (void)events;
  struct loop_watcher *watcher = uv_handle_get_data(handle);
  struct epoll_event ready[64];
  int count = epoll_wait(watcher->epoll_fd, ready, 64, 0);
  for (int i = 0; i < count; i++) call_back(watcher, ready[i].data.u64);
}

static void on_close(struct uv_poll *handle) {
  struct loop_watcher *watcher = uv_handle_get_data(handle);
  cleanup_fd(&watcher->epoll_fd);
  napi_remove_async_cleanup_hook(watcher->cleanup);
  free(handle);
  free(watcher);
}

static void stop(napi_async_cleanup_hook_handle cleanup, void *argument) {
  (void)cleanup;
  struct loop_watcher *watcher = argument;
  uv_close(watcher->handle, on_close);
}

static struct uv_loop_s *loop_of(napi_env env) {
  struct uv_loop_s *loop = NULL;
  if (!napi_get_uv_event_loop || !uv_handle_size || !uv_handle_set_data || !uv_handle_get_data || !uv_poll_init ||
      !uv_poll_start || !uv_close || !uv_ref || !uv_unref)
    return NULL;
  return napi_get_uv_event_loop(env, &loop) == napi_ok ? loop : NULL;
}

struct loop_watcher *watch_in_loop(napi_env env, int epoll_fd, napi_value callback) {
  struct uv_loop_s *loop = loop_of(env);
  struct loop_watcher *watcher = loop ? calloc(1, sizeof *watcher) : NULL;
  struct uv_poll *handle = watcher ? malloc(uv_handle_size(UV_POLL_TYPE)) : NULL;
  if (!handle || uv_poll_init(loop, handle, epoll_fd) < 0) {
    free(handle);
    free(watcher);
    return NULL;
  }
  *watcher = (struct loop_watcher){.env = env, .epoll_fd = epoll_fd, .handle = handle};
  napi_value name = text_value(env, "runlet.watch", NAPI_AUTO_LENGTH);
  uv_handle_set_data(handle, watcher);
  uv_unref(handle);
  if (napi_create_reference(env, callback, 1, &watcher->callback) != napi_ok ||
      napi_async_init(env, NULL, name, &watcher->context) != napi_ok ||
      napi_add_async_cleanup_hook(env, stop, watcher, &watcher->cleanup) != napi_ok ||
      uv_poll_start(handle, UV_READABLE_EVENT, on_events) < 0)
    abort();
  return watcher;
}

void keep_loop(struct loop_watcher *watcher, bool is_kept) {
  if (is_kept) uv_ref(watcher->handle);
  else uv_unref(watcher->handle);
}
