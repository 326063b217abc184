/* The addon's functions of watch.ts on the program's own loop, which needs no thread for it. As there, a watch is for one
 * event, and until unwatch(). */
#include "napi.h"

#include "addon.h"

#include <errno.h>
#include <sys/eventfd.h>

struct fd_watch {
  struct fd_watch *next;
  int fd, watch;
  uint32_t number;
};

static struct fd_watch *watches;
static JSValue deliver;

static napi_value start_watching(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  napi_valuetype type = napi_undefined;
  if (args.count > 0) napi_typeof(env, args.values[0], &type);
  if (type != napi_function) args.failed = true;
  if (args_failed(&args)) return NULL;
  deliver = JS_DupValue(env->ctx, napi_at(env, args.values[0]));
  return number_value(env, 0);
}

/* It keeps the program alive until unwatch(), as a watch that has not fired does. */
static void ready(void *data, short revents) {
  (void)revents;
  struct fd_watch *watch = data;
  loop_unwatch(watch->watch);
  loop_ref();
  watch->watch = 0;
  JSContext *ctx = the_env.ctx;
  call_back(ctx, deliver, 2, (JSValueConst[]){JS_NewInt32(ctx, watch->fd), JS_NewInt64(ctx, watch->number)});
}

static napi_value watch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  uint32_t events = (uint32_t)arg_int64(&args, 1), number = (uint32_t)arg_int64(&args, 2);
  if (args_failed(&args)) return NULL;
  int error = loop_can_watch(fd);
  if (error < 0) return number_value(env, error);
  for (struct fd_watch *other = watches; other; other = other->next)
    if (other->fd == fd) return number_value(env, -EEXIST);
  struct fd_watch *made = malloc(sizeof *made);
  if (!made) return number_value(env, -ENOMEM);
  *made = (struct fd_watch){.next = watches, .fd = fd, .number = number};
  made->watch = loop_watch(fd, (short)events, ready, made);
  if (made->watch < 0) {
    error = made->watch;
    free(made);
    return number_value(env, error);
  }
  watches = made;
  return number_value(env, 0);
}

static napi_value unwatch(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  for (struct fd_watch **place = &watches; *place; place = &(*place)->next) {
    struct fd_watch *found = *place;
    if (found->fd != fd) continue;
    *place = found->next;
    if (found->watch) loop_unwatch(found->watch);
    else loop_unref();
    free(found);
    return number_value(env, 0);
  }
  return number_value(env, -ENOENT);
}

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
