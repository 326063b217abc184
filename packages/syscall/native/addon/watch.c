/* Waiting for descriptors without blocking JavaScript: one thread with epoll for each environment, which hands every
 * ready descriptor over to JavaScript's own thread. A watch is for one event; libuv's polling would not do, since Bun
 * does not offer it. */
#include "addon.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct watcher {
  int epoll_fd, stop_fd;
  pthread_t thread;
  napi_threadsafe_function deliver;
  unsigned pending;
};

struct event {
  int fd;
  uint32_t events;
};

static void call_back(napi_env env, napi_value callback, void *context, void *data) {
  struct watcher *watcher = context;
  struct event *event CLEANUP_FREE = data;
  if (!env) return;
  if (--watcher->pending == 0) napi_unref_threadsafe_function(env, watcher->deliver);
  napi_value receiver, arguments[2] = {number_value(env, event->fd), number_value(env, event->events)};
  napi_get_undefined(env, &receiver);
  napi_call_function(env, receiver, callback, 2, arguments, NULL);
}

static void *run(void *argument) {
  struct watcher *watcher = argument;
  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait(watcher->epoll_fd, events, 64, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == watcher->stop_fd) return NULL;
      /* Who unwatches removes it first, and wants no event any more. */
      if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, events[i].data.fd, NULL) < 0) continue;
      struct event *event = malloc(sizeof *event);
      if (!event) abort();
      *event = (struct event){.fd = events[i].data.fd, .events = events[i].events};
      if (napi_call_threadsafe_function(watcher->deliver, event, napi_tsfn_nonblocking) != napi_ok) free(event);
    }
  }
}

static void stop(void *argument) {
  struct watcher *watcher = argument;
  uint64_t one = 1;
  if (write(watcher->stop_fd, &one, sizeof one) < 0) abort();
  pthread_join(watcher->thread, NULL);
  napi_release_threadsafe_function(watcher->deliver, napi_tsfn_abort);
  close(watcher->epoll_fd);
  close(watcher->stop_fd);
}

static int start_thread(struct watcher *watcher) {
  watcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  watcher->stop_fd = eventfd(0, EFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = watcher->stop_fd};
  if (watcher->epoll_fd < 0 || watcher->stop_fd < 0) return -errno;
  if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, watcher->stop_fd, &event) < 0) return -errno;
  return -pthread_create(&watcher->thread, NULL, run, watcher);
}

/* startWatching(callback(fd, events)): 0 | -errno. Once for each environment, before watch(). */
static napi_value start_watching(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  napi_valuetype type = napi_undefined;
  if (args.count > 0) napi_typeof(env, args.values[0], &type);
  if (type != napi_function) args.failed = true;
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = calloc(1, sizeof *watcher);
  if (!watcher) return number_value(env, -ENOMEM);
  napi_value name = text_value(env, "runlet.watch", NAPI_AUTO_LENGTH);
  if (napi_create_threadsafe_function(env, args.values[0], NULL, name, 0, 1, NULL, NULL, watcher, call_back,
                                      &watcher->deliver) != napi_ok) {
    free(watcher);
    return number_value(env, -ENOMEM);
  }
  napi_unref_threadsafe_function(env, watcher->deliver);
  int status = start_thread(watcher);
  if (status == 0) {
    napi_set_instance_data(env, watcher, NULL, NULL);
    napi_add_env_cleanup_hook(env, stop, watcher);
  }
  return number_value(env, status);
}

/* watch(fd, events): 0 | -errno. The descriptor stays the caller's and open until the callback or unwatch(). */
static napi_value watch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  uint32_t events = (uint32_t)arg_int64(&args, 1);
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = NULL;
  napi_get_instance_data(env, (void **)&watcher);
  if (!watcher) return number_value(env, -EINVAL);
  /* Counted before it is armed: the event may come at once. */
  if (watcher->pending++ == 0) napi_ref_threadsafe_function(env, watcher->deliver);
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.fd = fd};
  if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return number_value(env, 0);
  int error = errno;
  if (--watcher->pending == 0) napi_unref_threadsafe_function(env, watcher->deliver);
  return number_value(env, -error);
}

/* unwatch(fd): 0 | -errno; -ENOENT when the event is on its way to the callback already. */
static napi_value unwatch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct watcher *watcher = NULL;
  napi_get_instance_data(env, (void **)&watcher);
  if (!watcher) return number_value(env, -EINVAL);
  if (epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0) return number_value(env, -errno);
  if (--watcher->pending == 0) napi_unref_threadsafe_function(env, watcher->deliver);
  return number_value(env, 0);
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
