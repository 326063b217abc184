#include "argument.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct task {
  struct task *next;
  void (*run)(void *data);
  void *data;
};

struct timer {
  struct timer *next;
  double due_ms;
  int id;
  bool is_ref;
  JSValue callback;
};

struct watch {
  int id;
  void (*ready)(void *data, short revents);
  void *data;
};

static struct {
  pthread_mutex_t lock;
  /* Tasks of other threads, in their order. */
  struct task *first, **last;
  /* An epoll instance, which is asked what can be waited for. */
  int epoll_fd;
  /* An eventfd that says that there are tasks or signals. */
  int wake_fd;
  unsigned refs;
  /* In the order of their due times. */
  struct timer *timers;
  int last_id;
  struct pollfd *polls;
  struct watch *watches;
  size_t watch_count, watch_room;
  JSValue on_signal;
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &loop.first};

static atomic_uint_fast64_t pending_signals;

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void wake(void) {
  uint64_t one = 1;
  int before = errno;
  if (write(loop.wake_fd, &one, sizeof one) < 0 && errno != EAGAIN) abort();
  errno = before;
}

void loop_ref(void) { loop.refs++; }
void loop_unref(void) { loop.refs--; }

void loop_post(void (*run)(void *), void *data) {
  struct task *task = malloc(sizeof *task);
  if (!task) abort();
  *task = (struct task){.run = run, .data = data};
  pthread_mutex_lock(&loop.lock);
  *loop.last = task;
  loop.last = &task->next;
  pthread_mutex_unlock(&loop.lock);
  wake();
}

static void run_tasks(void) {
  pthread_mutex_lock(&loop.lock);
  struct task *task = loop.first;
  loop.first = NULL;
  loop.last = &loop.first;
  pthread_mutex_unlock(&loop.lock);
  while (task) {
    struct task *next = task->next;
    task->run(task->data);
    free(task);
    task = next;
  }
}

int loop_watch(int fd, short events, void (*ready)(void *, short), void *data) {
  if (loop.watch_count == loop.watch_room) {
    size_t room = loop.watch_room ? loop.watch_room * 2 : 8;
    /* One more than watches: the loop's own descriptor comes first. */
    struct pollfd *polls = realloc(loop.polls, (room + 1) * sizeof *polls);
    if (polls) loop.polls = polls;
    struct watch *watches = polls ? realloc(loop.watches, room * sizeof *watches) : NULL;
    if (!watches) return -ENOMEM;
    loop.watches = watches;
    loop.watch_room = room;
  }
  int id = ++loop.last_id;
  loop.watches[loop.watch_count] = (struct watch){.id = id, .ready = ready, .data = data};
  loop.polls[++loop.watch_count] = (struct pollfd){.fd = fd, .events = events};
  return id;
}

void loop_unwatch(int id) {
  for (size_t i = 0; i < loop.watch_count; i++) {
    if (loop.watches[i].id != id) continue;
    loop.watch_count--;
    memmove(&loop.watches[i], &loop.watches[i + 1], (loop.watch_count - i) * sizeof *loop.watches);
    memmove(&loop.polls[i + 1], &loop.polls[i + 2], (loop.watch_count - i) * sizeof *loop.polls);
    return;
  }
}

/* A callback may begin and end watches: each is looked up anew by its number. */
static void run_watches(int ready) {
  struct {
    int id;
    short revents;
  } fired[64];
  int count = 0;
  for (size_t i = 0; i < loop.watch_count && count < ready && count < 64; i++)
    if (loop.polls[i + 1].revents) {
      fired[count].id = loop.watches[i].id;
      fired[count++].revents = loop.polls[i + 1].revents;
    }
  for (int i = 0; i < count; i++)
    for (size_t at = 0; at < loop.watch_count; at++)
      if (loop.watches[at].id == fired[i].id) {
        loop.watches[at].ready(loop.watches[at].data, fired[i].revents);
        break;
      }
}

static void on_signal(int number) {
  atomic_fetch_or(&pending_signals, UINT64_C(1) << (number - 1));
  wake();
}

static void run_signals(JSContext *ctx) {
  uint64_t signals = atomic_exchange(&pending_signals, 0);
  for (int number = 1; signals; number++, signals >>= 1)
    if (signals & 1) call_back(ctx, loop.on_signal, 1, (JSValueConst[]){JS_NewInt32(ctx, number)});
}

void run_jobs(JSContext *ctx) {
  JSContext *of = NULL;
  int status;
  while ((status = JS_ExecutePendingJob(JS_GetRuntime(ctx), &of)) > 0) continue;
  if (status < 0) die_of_exception(of);
  check_rejections(ctx);
}

void call_back(JSContext *ctx, JSValueConst function, int count, JSValueConst *arguments) {
  JSValue result = JS_Call(ctx, function, JS_UNDEFINED, count, arguments);
  if (JS_IsException(result)) die_of_exception(ctx);
  JS_FreeValue(ctx, result);
  run_jobs(ctx);
}

static void run_timers(JSContext *ctx) {
  double now = now_ms();
  while (loop.timers && loop.timers->due_ms <= now) {
    struct timer *timer = loop.timers;
    loop.timers = timer->next;
    call_back(ctx, timer->callback, 0, NULL);
    JS_FreeValue(ctx, timer->callback);
    free(timer);
  }
}

static bool is_alive(void) {
  if (loop.refs || loop.watch_count) return true;
  for (struct timer *timer = loop.timers; timer; timer = timer->next)
    if (timer->is_ref) return true;
  return false;
}

static int wait_ms(void) {
  if (!loop.timers) return -1;
  double wait = loop.timers->due_ms - now_ms();
  return wait <= 0 ? 0 : wait > 1e9 ? (int)1e9 : (int)wait + 1;
}

/* The epoll instance comes first: the program tells by it that its caller has left the lowest free number free. */
void loop_open(void) {
  loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop.epoll_fd < 0 || loop.wake_fd < 0) abort();
}

int loop_can_watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) return -errno;
  return epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

void loop_run(JSContext *ctx) {
  run_jobs(ctx);
  struct pollfd only;
  while (is_alive()) {
    struct pollfd *polls = loop.polls ? loop.polls : &only;
    polls[0] = (struct pollfd){.fd = loop.wake_fd, .events = POLLIN};
    int ready = poll(polls, loop.watch_count + 1, wait_ms());
    if (ready < 0 && errno != EINTR) abort();
    if (ready > 0 && polls[0].revents) {
      uint64_t count;
      if (read(loop.wake_fd, &count, sizeof count) < 0 && errno != EAGAIN) abort();
    }
    if (ready > 0) run_watches(ready);
    run_tasks();
    run_jobs(ctx);
    run_signals(ctx);
    run_timers(ctx);
  }
}

/* setTimer(delayMs, callback) -> id: a timer that fires once. */
FUNCTION(set_timer) {
  double delay_ms;
  if (!JS_IsFunction(ctx, arguments[1]) || JS_ToFloat64(ctx, &delay_ms, arguments[0])) return wrong_type(ctx);
  struct timer *timer = malloc(sizeof *timer);
  if (!timer) abort();
  *timer = (struct timer){
      .due_ms = now_ms() + (delay_ms > 0 ? delay_ms : 0),
      .id = ++loop.last_id,
      .is_ref = true,
      .callback = JS_DupValue(ctx, arguments[1]),
  };
  struct timer **place = &loop.timers;
  while (*place && (*place)->due_ms <= timer->due_ms) place = &(*place)->next;
  timer->next = *place;
  *place = timer;
  return JS_NewInt32(ctx, timer->id);
}

static struct timer **find_timer(JSContext *ctx, JSValueConst id) {
  int32_t number = 0;
  if (JS_ToInt32(ctx, &number, id)) return NULL;
  struct timer **place = &loop.timers;
  while (*place && (*place)->id != number) place = &(*place)->next;
  return place;
}

/* clearTimer(id): one that has fired is no error. */
FUNCTION(clear_timer) {
  struct timer **place = find_timer(ctx, arguments[0]);
  if (!place) return wrong_type(ctx);
  struct timer *timer = *place;
  if (timer) {
    *place = timer->next;
    JS_FreeValue(ctx, timer->callback);
    free(timer);
  }
  return JS_UNDEFINED;
}

/* refTimer(id, isRef): whether it keeps the program alive. */
FUNCTION(ref_timer) {
  struct timer **place = find_timer(ctx, arguments[0]);
  if (!place) return wrong_type(ctx);
  if (*place) (*place)->is_ref = JS_ToBool(ctx, arguments[1]);
  return JS_UNDEFINED;
}

/* A watch of JavaScript's. The callback may end it. */
struct script_watch {
  JSContext *ctx;
  int id;
  JSValue callback;
  struct script_watch *next;
};
static struct script_watch *script_watches;

static void script_ready(void *data, short revents) {
  struct script_watch *watch = data;
  JSContext *ctx = watch->ctx;
  JSValue callback = JS_DupValue(ctx, watch->callback);
  call_back(ctx, callback, 1, (JSValueConst[]){JS_NewInt32(ctx, revents)});
  JS_FreeValue(ctx, callback);
}

/* watchDescriptor(fd, events, callback(revents)) -> id | -errno */
FUNCTION(watch_descriptor) {
  int32_t fd, events;
  if (!JS_IsFunction(ctx, arguments[2]) || JS_ToInt32(ctx, &fd, arguments[0]) ||
      JS_ToInt32(ctx, &events, arguments[1]))
    return wrong_type(ctx);
  struct script_watch *watch = malloc(sizeof *watch);
  if (!watch) return JS_NewInt32(ctx, -ENOMEM);
  int id = loop_watch(fd, (short)events, script_ready, watch);
  if (id < 0) {
    free(watch);
    return JS_NewInt32(ctx, id);
  }
  *watch = (struct script_watch){
      .ctx = ctx, .id = id, .callback = JS_DupValue(ctx, arguments[2]), .next = script_watches};
  script_watches = watch;
  return JS_NewInt32(ctx, id);
}

/* unwatchDescriptor(id) */
FUNCTION(unwatch_descriptor) {
  int32_t id;
  if (JS_ToInt32(ctx, &id, arguments[0])) return wrong_type(ctx);
  for (struct script_watch **place = &script_watches; *place; place = &(*place)->next) {
    struct script_watch *watch = *place;
    if (watch->id != id) continue;
    *place = watch->next;
    loop_unwatch(id);
    JS_FreeValue(ctx, watch->callback);
    free(watch);
    break;
  }
  return JS_UNDEFINED;
}

/* onSignal(callback(number)): who gets the signals that are watched. */
FUNCTION(on_signal_binding) {
  if (!JS_IsFunction(ctx, arguments[0])) return wrong_type(ctx);
  JS_FreeValue(ctx, loop.on_signal);
  loop.on_signal = JS_DupValue(ctx, arguments[0]);
  return JS_UNDEFINED;
}

/* watchSignal(number, isWatched): 0 | -errno. One that is not has its default disposition; those of writing stay ignored, so
 * that a reader that is gone is an error of write(2). */
FUNCTION(watch_signal) {
  int32_t number;
  if (JS_ToInt32(ctx, &number, arguments[0])) return wrong_type(ctx);
  if (number < 1 || number > 64) return JS_NewInt32(ctx, -EINVAL);
  struct sigaction action = {.sa_flags = SA_RESTART};
  action.sa_handler = JS_ToBool(ctx, arguments[1])                   ? on_signal
                      : number == SIGPIPE || number == SIGXFSZ ? SIG_IGN
                                                               : SIG_DFL;
  sigfillset(&action.sa_mask);
  return JS_NewInt32(ctx, sigaction(number, &action, NULL) < 0 ? -errno : 0);
}

/* nowMs(): a clock that never goes back. */
FUNCTION(now_binding) {
  return JS_NewFloat64(ctx, now_ms());
}

const struct binding loop_bindings[] = {
    {"setTimer", set_timer, 2},
    {"clearTimer", clear_timer, 1},
    {"refTimer", ref_timer, 2},
    {"watchDescriptor", watch_descriptor, 3},
    {"unwatchDescriptor", unwatch_descriptor, 1},
    {"onSignal", on_signal_binding, 1},
    {"watchSignal", watch_signal, 2},
    {"nowMs", now_binding, 0},
    {0},
};
