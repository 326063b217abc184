/* Processes: starting the init helper straight into new namespaces, waiting for it and signalling it by pidfd. */
#include "addon.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_CLOEXEC_ (1U << 2)
#define CHILD_STACK_BYTES (64 << 10)
#define MAX_FDS 256

struct start {
  int helper_fd;
  const int32_t *fds;
  size_t fd_count;
  char *const *argv;
  int error;
};

/* Runs in the parent's memory while the parent's thread is stopped (CLONE_VM | CLONE_VFORK): nothing is allocated and
 * nothing but `error` is written. */
static void become_helper(void *argument) {
  struct start *start = argument;
  int moved[MAX_FDS];
  static char *const environment[] = {NULL};
  /* First out of the way, so that no descriptor is overwritten before it has been copied. */
  for (size_t i = 0; i < start->fd_count; i++) {
    moved[i] = fcntl(start->fds[i], F_DUPFD_CLOEXEC, (int)start->fd_count);
    if (moved[i] < 0) goto failed;
  }
  int helper = fcntl(start->helper_fd, F_DUPFD_CLOEXEC, (int)start->fd_count);
  if (helper < 0) goto failed;
  for (size_t i = 0; i < start->fd_count; i++)
    if (dup2(moved[i], (int)i) < 0) goto failed;
  if (syscall(SYS_close_range, (unsigned)start->fd_count, ~0u, CLOSE_RANGE_CLOEXEC_) < 0) goto failed;
  /* Node ignores SIGPIPE; what is ignored stays so across execve. */
  struct sigaction usual = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  syscall(SYS_execveat, helper, "", start->argv, environment, AT_EMPTY_PATH);
failed:
  start->error = errno;
  _exit(127);
}

/* The child starts on a stack of its own: the parent's frame must be as it was when the parent goes on. */
static long clone_with(struct clone_args *clone, void (*child)(void *), void *argument) {
  long result;
#if defined(__x86_64__)
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %[argument], %%rdi\n\t"
      "xor %%ebp, %%ebp\n\t"
      "call *%[child]\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(clone), "S"(sizeof *clone), [child] "d"(child), [argument] "r"(argument)
      : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = (long)clone;
  register long x1 __asm__("x1") = sizeof *clone;
  register void (*x9)(void *) __asm__("x9") = child;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, %[argument]\n\t"
      "mov x29, #0\n\t"
      "blr %[child]\n\t"
      "brk #0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), [child] "r"(x9), [argument] "r"(argument)
      : "memory");
  result = x0;
#else
#error "x86_64 and aarch64 only"
#endif
  return result;
}

static long start_helper(struct start *start, uint64_t flags, int cgroup_fd, int *pidfd) {
  char *stack CLEANUP_FREE = aligned_alloc(16, CHILD_STACK_BYTES);
  if (!stack) return -ENOMEM;
  struct clone_args clone = {
      .flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .exit_signal = SIGCHLD,
      .stack = (uint64_t)(uintptr_t)stack,
      .stack_size = CHILD_STACK_BYTES,
      .cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
  };
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = clone_with(&clone, become_helper, start);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid >= 0 && start->error != 0) {
    siginfo_t information;
    while (waitid(P_PIDFD, (id_t)*pidfd, &information, WEXITED) < 0 && errno == EINTR) continue;
    close(*pidfd);
    return -start->error;
  }
  return pid;
}

/* A start on a thread of the pool, while JavaScript goes on. */
struct start_call {
  napi_env env;
  /* Called at the end where `outcome` says so; holds `outcome`, too. */
  napi_ref on_end;
  napi_async_work work;
  struct start start;
  uint64_t flags;
  int cgroup_fd;
  int32_t *fds;
  char *control;
  char *argv[3];
  long pid;
  int pidfd;
  /* JavaScript's. */
  int32_t *outcome;
};

enum outcome { OUTCOME_IS_THERE, OUTCOME_PID, OUTCOME_PIDFD, OUTCOME_IS_AWAITED, OUTCOME_WORDS };

static void free_start_call(struct start_call **pointer) {
  struct start_call *call = *pointer;
  if (!call) return;
  if (call->work) napi_delete_async_work(call->env, call->work);
  if (call->on_end) napi_delete_reference(call->env, call->on_end);
  free(call->fds);
  free(call->control);
  free(call);
}

static void execute_start(napi_env env, void *data) {
  (void)env;
  struct start_call *call = data;
  call->pid = start_helper(&call->start, call->flags, call->cgroup_fd, &call->pidfd);
  close(call->fds[call->start.fd_count - 1]);
  call->outcome[OUTCOME_PID] = (int32_t)call->pid;
  call->outcome[OUTCOME_PIDFD] = call->pidfd;
  __atomic_store_n(&call->outcome[OUTCOME_IS_THERE], 1, __ATOMIC_RELEASE);
}

static void complete_start(napi_env env, napi_status status, void *data) {
  struct start_call *call __attribute__((cleanup(free_start_call))) = data;
  if (status != napi_ok) {
    close(call->fds[call->start.fd_count - 1]);
    call->outcome[OUTCOME_PID] = -ECANCELED;
    call->outcome[OUTCOME_IS_THERE] = 1;
  }
  if (!call->outcome[OUTCOME_IS_AWAITED]) return;
  napi_value receiver, on_end;
  if (napi_get_undefined(env, &receiver) == napi_ok && napi_get_reference_value(env, call->on_end, &on_end) == napi_ok)
    napi_call_function(env, receiver, on_end, 0, NULL, NULL);
}

/* startHelper(helperFd, fds, cloneFlags, cgroupFd | -1, control, outcome, onEnd()): 0 | -errno. Of the four words of `outcome`
 * three are written, the first one last: 1, process id | -errno, pidfd. Then, if the fourth is not 0, onEnd is called. The last
 * descriptor is taken over, unless there is an error; the others have to stay until the first word is written. */
static napi_value start_helper_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct start_call *call __attribute__((cleanup(free_start_call))) = calloc(1, sizeof *call);
  if (!call) return number_value(env, -ENOMEM);
  call->env = env;
  call->start.helper_fd = arg_int(&args, 0);
  call->start.fds = call->fds = arg_ints(&args, 1, &call->start.fd_count);
  call->flags = (uint64_t)arg_int64(&args, 2);
  call->cgroup_fd = arg_int(&args, 3);
  call->control = arg_text(&args, 4);
  size_t outcome_bytes = 0;
  call->outcome = (int32_t *)arg_bytes(&args, 5, &outcome_bytes);
  if (outcome_bytes != OUTCOME_WORDS * sizeof(int32_t) || call->start.fd_count == 0) args.failed = true;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.values[6], &type);
  if (type != napi_function || napi_create_reference(env, args.values[6], 1, &call->on_end) != napi_ok) args.failed = true;
  if (args_failed(&args)) return NULL;
  if (call->start.fd_count > MAX_FDS) return number_value(env, -E2BIG);
  call->argv[0] = "runlet-init";
  call->argv[1] = call->control;
  call->start.argv = call->argv;
  call->pidfd = -1;
  napi_value name = text_value(env, "runlet.startHelper", NAPI_AUTO_LENGTH);
  if (napi_create_async_work(env, NULL, name, execute_start, complete_start, call, &call->work) != napi_ok ||
      napi_queue_async_work(env, call->work) != napi_ok)
    return number_value(env, -ENOMEM);
  call = NULL;
  return number_value(env, 0);
}

/* waitPidfd(pidfd): [code, status, userMicroseconds, systemMicroseconds, maxRssKiB] of an ended child, 0 while it runs,
 * | -errno */
static napi_value wait_pidfd(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int pidfd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  siginfo_t information = {0};
  struct rusage usage = {0};
  if (syscall(SYS_waitid, P_PIDFD, pidfd, &information, WEXITED | WNOHANG, &usage) < 0) return number_value(env, -errno);
  if (information.si_pid == 0) return number_value(env, 0);
  int64_t numbers[] = {
      information.si_code,
      information.si_status,
      (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
      (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec,
      usage.ru_maxrss,
  };
  return array_value(env, numbers, sizeof numbers / sizeof numbers[0]);
}

/* waitAnyChild(): [pid, code, status] of an ended child, 0 when none has ended, | -errno. For a subreaper. */
static napi_value wait_any_child(napi_env env, napi_callback_info info) {
  (void)info;
  siginfo_t information = {0};
  if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG) < 0) return number_value(env, -errno);
  if (information.si_pid == 0) return number_value(env, 0);
  return array_value(env, (int64_t[]){information.si_pid, information.si_code, information.si_status}, 3);
}

/* processStatus(pid): [state's character, start time in clock ticks after boot] of /proc/PID/stat, | -errno */
static napi_value process_status(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int pid = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  char path[32], text[2048];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return number_value(env, -errno);
  ssize_t length = RETRY(read(fd, text, sizeof text - 1));
  if (length < 0) return number_value(env, -errno);
  text[length] = '\0';
  /* The name of the command may contain blanks and parentheses; the fields begin behind the last one, with the third. */
  const char *field = strrchr(text, ')');
  if (!field || field[1] != ' ') return number_value(env, -EPROTO);
  field += 2;
  int64_t state = (unsigned char)*field;
  for (int number = 3; number < 22 && field; number++) {
    field = strchr(field, ' ');
    if (field) field++;
  }
  if (!field) return number_value(env, -EPROTO);
  return array_value(env, (int64_t[]){state, strtoll(field, NULL, 10)}, 2);
}

static napi_value pidfd_open_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int pid = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_pidfd_open, pid, 0));
}

static napi_value pidfd_send_signal_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int pidfd = arg_int(&args, 0), signal = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

static napi_value set_child_subreaper(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  bool is_subreaper = arg_bool(&args, 0);
  if (args_failed(&args)) return NULL;
  return result_value(env, prctl(PR_SET_CHILD_SUBREAPER, is_subreaper, 0, 0, 0));
}

static napi_value flock_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0), operation = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, flock(fd, operation));
}

static napi_value duplicate(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0), lowest = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}

/* setNonblocking(fd): 0 | -errno. Of the open file, so of every descriptor that shares it. */
static napi_value set_nonblocking(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  int flags = fcntl(fd, F_GETFL);
  return result_value(env, flags < 0 ? flags : fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

const struct export_entry process_exports[] = {
    {"startHelper", start_helper_export},
    {"waitPidfd", wait_pidfd},
    {"waitAnyChild", wait_any_child},
    {"processStatus", process_status},
    {"pidfdOpen", pidfd_open_export},
    {"pidfdSendSignal", pidfd_send_signal_export},
    {"setChildSubreaper", set_child_subreaper},
    {"flock", flock_export},
    {"duplicate", duplicate},
    {"setNonblocking", set_nonblocking},
    {0},
};
