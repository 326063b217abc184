#include "argument.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* Strings for exec: js_malloc'ed, ending in NULL. */
struct strings {
  JSContext *ctx;
  char **items;
};

static void cleanup_strings(struct strings *strings) {
  if (!strings->items) return;
  for (char **item = strings->items; *item; item++) js_free(strings->ctx, *item);
  js_free(strings->ctx, strings->items);
}
#define STRINGS(name) __attribute__((cleanup(cleanup_strings))) struct strings name = {0}

static bool strings_of(JSContext *ctx, JSValueConst array, struct strings *strings) {
  JSValue size = JS_GetPropertyStr(ctx, array, "length");
  int64_t length;
  bool is_array = JS_IsArray(ctx, array) > 0 && integer_of(size, &length);
  JS_FreeValue(ctx, size);
  if (!is_array) return false;
  strings->ctx = ctx;
  strings->items = js_mallocz(ctx, ((size_t)length + 1) * sizeof *strings->items);
  if (!strings->items) return false;
  for (uint32_t i = 0; i < (uint32_t)length; i++) {
    TEXT(text);
    JSValue item = JS_GetPropertyUint32(ctx, array, i);
    if (path_of(ctx, item, &text)) strings->items[i] = js_strndup(ctx, text.start, text.length);
    JS_FreeValue(ctx, item);
    if (!strings->items[i]) return false;
  }
  return true;
}

/* What the child needs, which shares the parent's memory until it executes: see vfork(2). */
struct child {
  char *const *paths;
  char *const *args;
  char *const *env;
  const char *directory;
  const int *fds;
  /* The compiler does not know that there are two who run. */
  volatile int failure;
};

/* Nothing of the parent's is left to the program but its three descriptors: signals are as after start, as they are for
 * the programs that Node starts. Ends the process where no path can be executed. */
static _Noreturn void become(struct child *child) {
  struct sigaction initial = {.sa_handler = SIG_DFL};
  int fds[3];
  for (int number = 1; number < NSIG; number++) sigaction(number, &initial, NULL);
  /* Where none is in the way of another one. */
  for (int i = 0; i < 3; i++) {
    fds[i] = fcntl(child->fds[i], F_DUPFD, 3);
    if (fds[i] < 0) goto failed;
  }
  for (int i = 0; i < 3; i++) {
    if (dup2(fds[i], i) < 0) goto failed;
  }
  if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) goto failed;
  if (child->directory && chdir(child->directory) < 0) goto failed;
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) < 0) goto failed;
  bool is_forbidden = false;
  for (char *const *path = child->paths; *path; path++) {
    execve(*path, child->args, child->env);
    if (errno == EACCES) {
      is_forbidden = true;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ENODEV && errno != ESTALE && errno != ETIMEDOUT) {
      goto failed;
    }
  }
  if (is_forbidden) errno = EACCES;
failed:
  child->failure = errno;
  _exit(127);
}

/* spawn(paths, args, env, directory, fds): the process id of a program. The first path is taken that can be executed, as
 * execvp(3) goes through PATH. `env` is of `NAME=value`, `directory` is null for our own, and the three `fds`, an
 * Int32Array, become descriptors 0 to 2; there are no others. */
FUNCTION(spawn_spawn) {
  STRINGS(paths);
  STRINGS(args);
  STRINGS(env);
  TEXT(directory);
  struct bytes fds;
  if (!strings_of(ctx, arguments[0], &paths) || !strings_of(ctx, arguments[1], &args) ||
      !strings_of(ctx, arguments[2], &env) ||
      (!JS_IsNull(arguments[3]) && !path_of(ctx, arguments[3], &directory)) || !bytes_of(ctx, arguments[4], &fds) ||
      fds.length != 3 * sizeof(int)) {
    return wrong_type(ctx);
  }
  /* An ignored SIGCHLD, which we may have inherited, would let nobody wait for the child. */
  struct sigaction on_child;
  if (sigaction(SIGCHLD, NULL, &on_child) == 0 && on_child.sa_handler == SIG_IGN) {
    on_child.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &on_child, NULL);
  }
  struct child child = {.paths = paths.items,
                        .args = args.items,
                        .env = env.items,
                        .directory = directory.start,
                        .fds = (const int *)(const void *)fds.start,
                        .failure = 0};
  /* No handler of ours may run in the child, in our memory. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = vfork();
  if (pid == 0) become(&child);
  int failure = pid < 0 ? errno : child.failure;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid > 0 && failure != 0) RETRY(waitpid(pid, NULL, 0));
  return JS_NewInt32(ctx, failure != 0 ? -failure : pid);
}

/* openPidfd(pid) */
FUNCTION(spawn_open_pidfd) {
  int pid;
  if (!int_of(arguments[0], &pid)) return wrong_type(ctx);
  return result_value(ctx, syscall(SYS_pidfd_open, pid, 0));
}

/* waitProcess(pid): waits for a child, and returns its status as waitpid(2) has it. */
FUNCTION(spawn_wait_process) {
  int pid, status;
  if (!int_of(arguments[0], &pid)) return wrong_type(ctx);
  return result_value(ctx, RETRY(waitpid(pid, &status, 0)) < 0 ? -1 : status);
}

/* openPipe(fds): a pipe, close-on-exec, into an Int32Array of two. */
FUNCTION(spawn_open_pipe) {
  struct bytes into;
  int fds[2];
  if (!bytes_of(ctx, arguments[0], &into) || into.length != sizeof fds) return wrong_type(ctx);
  if (pipe2(fds, O_CLOEXEC) < 0) return JS_NewInt32(ctx, -errno);
  memcpy(into.start, fds, sizeof fds);
  return JS_NewInt32(ctx, 0);
}

/* What came out of a pipe. */
struct output {
  uint8_t *start;
  size_t length, room;
};

static void cleanup_output(struct output *output) { free(output->start); }
#define OUTPUT(name) __attribute__((cleanup(cleanup_output))) struct output name = {0}

/* Reads once: 0 at the end of the pipe, -errno, more than 0 otherwise. */
static int64_t read_output(int fd, struct output *output) {
  if (output->length == output->room) {
    size_t room = output->room ? output->room * 2 : 65536;
    uint8_t *larger = realloc(output->start, room);
    if (!larger) return -ENOMEM;
    output->start = larger;
    output->room = room;
  }
  int64_t result = RETRY(read(fd, output->start + output->length, output->room - output->length));
  if (result < 0) return -errno;
  output->length += (size_t)result;
  return result;
}

/* readBoth(fd, otherFd, limit): waits for the ends of two pipes and returns what came out of them, two ArrayBuffers.
 * -ENOBUFS when one has more bytes than `limit`. */
FUNCTION(spawn_read_both) {
  OUTPUT(first);
  OUTPUT(second);
  struct output *outputs[2] = {&first, &second};
  struct pollfd polls[2] = {{.events = POLLIN}, {.events = POLLIN}};
  int64_t limit;
  if (!int_of(arguments[0], &polls[0].fd) || !int_of(arguments[1], &polls[1].fd) || !integer_of(arguments[2], &limit) ||
      limit < 0) {
    return wrong_type(ctx);
  }
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    if (RETRY(poll(polls, 2, -1)) < 0) return JS_NewInt32(ctx, -errno);
    for (int i = 0; i < 2; i++) {
      if (polls[i].fd < 0 || polls[i].revents == 0) continue;
      int64_t result = read_output(polls[i].fd, outputs[i]);
      if (result < 0) return JS_NewInt64(ctx, result);
      if (result == 0) polls[i].fd = -1;
      if (outputs[i]->length > (uint64_t)limit) return JS_NewInt32(ctx, -ENOBUFS);
    }
  }
  JSValue list = JS_NewArray(ctx);
  for (uint32_t i = 0; i < 2 && !JS_IsException(list); i++) {
    JSValue buffer = JS_NewArrayBufferCopy(ctx, outputs[i]->start, outputs[i]->length);
    if (JS_IsException(buffer) || JS_SetPropertyUint32(ctx, list, i, buffer) < 0) {
      JS_FreeValue(ctx, list);
      list = JS_EXCEPTION;
    }
  }
  return list;
}

const struct binding spawn_bindings[] = {
    {"spawn", spawn_spawn, 5},
    {"openPidfd", spawn_open_pidfd, 1},
    {"waitProcess", spawn_wait_process, 1},
    {"openPipe", spawn_open_pipe, 1},
    {"readBoth", spawn_read_both, 3},
    {0},
};
