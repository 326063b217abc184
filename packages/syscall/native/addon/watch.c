/* Waiting for descriptors without blocking JavaScript: one epoll for each environment, in its loop where that is libuv's
 * (watch-loop.c), else in a thread which hands every ready descriptor over to JavaScript's own: Bun has no libuv to offer.
 *
 * A watch is for one event, after which the kernel has it disarmed, and until unwatch(): it is begun and ended by
 * JavaScript's thread alone. Each has a number, since an event may still be on its way when its watch has been ended, and
 * its descriptor be watched anew. */
#include "addon.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct watcher {
  int epoll_fd;
  /* NULL where there is a thread. */
  struct loop_watcher *in_loop;
  int stop_fd;
  pthread_t thread;
  napi_threadsafe_function deliver;
  /* How many descriptors are watched: the environment does not end while there is one. */
  unsigned watched;
};

struct event {
  int fd;
  uint32_t number;
};

/* What epoll keeps for a descriptor. That of `stop_fd` is no descriptor's. */
#define STOP_DATA UINT64_MAX
static uint64_t data_of(int fd, uint32_t number) { return (uint64_t)number << 32 | (uint32_t)fd; }

static void call_back(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  struct event *event CLEANUP_FREE = data;
  if (!env) return;
  napi_value receiver, arguments[2] = {number_value(env, event->fd), number_value(env, event->number)};
  napi_get_undefined(env, &receiver);
  napi_call_function(env, receiver, callback, 2, arguments, NULL);
}

static void *run(void *argument) {
  struct watcher *watcher = argument;
  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait(watcher->epoll_fd, events, 64, -1);
    for (int i = 0; i < count; i++) {
      uint64_t data = events[i].data.u64;
      if (data == STOP_DATA) return NULL;
      struct event *event = malloc(sizeof *event);
      if (!event) abort();
      *event = (struct event){.fd = (int)(uint32_t)data, .number = (uint32_t)(data >> 32)};
      if (napi_call_threadsafe_function(watcher->deliver, event, napi_tsfn_nonblocking) != napi_ok) free(event);
    }
  }
}

static void release(struct watcher *watcher) {
  napi_release_threadsafe_function(watcher->deliver, napi_tsfn_abort);
  cleanup_fd(&watcher->epoll_fd);
  cleanup_fd(&watcher->stop_fd);
}

static void stop(void *argument) {
  struct watcher *watcher = argument;
  uint64_t one = 1;
  if (write(watcher->stop_fd, &one, sizeof one) < 0) abort();
  pthread_join(watcher->thread, NULL);
  release(watcher);
}

static int start_thread(struct watcher *watcher) {
  watcher->stop_fd = eventfd(0, EFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = STOP_DATA};
  if (watcher->stop_fd < 0) return -errno;
  if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, watcher->stop_fd, &event) < 0) return -errno;
  return -pthread_create(&watcher->thread, NULL, run, watcher);
}

static int watch_in_thread(napi_env env, struct watcher *watcher, napi_value callback) {
  napi_value name = text_value(env, "runlet.watch", NAPI_AUTO_LENGTH);
  if (napi_create_threadsafe_function(env, callback, NULL, name, 0, 1, NULL, NULL, watcher, call_back,
                                      &watcher->deliver) != napi_ok) {
    cleanup_fd(&watcher->epoll_fd);
    return -ENOMEM;
  }
  napi_unref_threadsafe_function(env, watcher->deliver);
  int status = start_thread(watcher);
  if (status == 0) napi_add_env_cleanup_hook(env, stop, watcher);
  else release(watcher);
  return status;
}

/* startWatching(callback(fd, number), hasLibuv): 0 | -errno. Once for each environment, before watch(). */
static napi_value start_watching(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  napi_valuetype type = napi_undefined;
  if (args.count > 0) napi_typeof(env, args.values[0], &type);
  if (type != napi_function) args.failed = true;
  bool has_libuv = arg_bool(&args, 1);
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return number_value(env, -ENOMEM);
  *watcher = (struct watcher){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .stop_fd = -1};
  int status = watcher->epoll_fd < 0 ? -errno : 0;
  if (status == 0 && has_libuv) watcher->in_loop = watch_in_loop(env, watcher->epoll_fd, args.values[0]);
  if (status == 0 && !watcher->in_loop) status = watch_in_thread(env, watcher, args.values[0]);
  if (status == 0) napi_set_instance_data(env, watcher, NULL, NULL);
  else free(watcher);
  return number_value(env, status);
}

static struct watcher *watcher_of(napi_env env) {
  struct watcher *watcher = NULL;
  napi_get_instance_data(env, (void **)&watcher);
  return watcher;
}

/* Whether the environment may end while it waits. */
static void keep(napi_env env, struct watcher *watcher, bool is_kept) {
  if (watcher->in_loop) keep_loop(watcher->in_loop, is_kept);
  else if (is_kept) napi_ref_threadsafe_function(env, watcher->deliver);
  else napi_unref_threadsafe_function(env, watcher->deliver);
}

/* watch(fd, events, number): 0 | -errno. The descriptor stays the caller's, and open until unwatch(). */
static napi_value watch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  uint32_t events = (uint32_t)arg_int64(&args, 1), number = (uint32_t)arg_int64(&args, 2);
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = watcher_of(env);
  if (!watcher) return number_value(env, -EINVAL);
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = data_of(fd, number)};
  if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) return number_value(env, -errno);
  if (watcher->watched++ == 0) keep(env, watcher, true);
  return number_value(env, 0);
}

/* unwatch(fd): 0 | -errno. Once for each watch() that succeeded; its event may be on the way to the callback still. */
static napi_value unwatch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = watcher_of(env);
  if (!watcher) return number_value(env, -EINVAL);
  if (--watcher->watched == 0) keep(env, watcher, false);
  return result_value(env, epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, fd, NULL));
}

/* createEventFd() -> fd: a counter for the kernel to count up, that does not block */
static napi_value create_event_fd(napi_env env, napi_callback_info info) {
  (void)info;
  return result_value(env, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

const struct export_entry watch_exports[] = {
    {"startWatching", start_watching},
    {"watch", watch},
    {"unwatch", unwatch},
    {"createEventFd", create_event_fd},
    {0},
};
