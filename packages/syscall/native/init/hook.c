/* Hooks that run in the container's namespaces: createContainer before the pivot, startContainer before execve. */
#include "init.h"

#include <linux/sched.h>
#include <linux/wait.h>

#define SIGCHLD_ 17
#define SIGKILL_ 9
#define POLLIN_ 1
#define SIG_UNBLOCK_ 1
#define NO_TIMEOUT UINT32_MAX

struct poll_entry {
  int fd;
  short events, returned;
};

struct hook {
  const char *path, **arguments, **environment;
  uint32_t timeout_ms;
};

/* It stands at the container's root, like a hook of runc's, and not where the runtime's caller happened to be. */
__attribute__((noreturn)) static void become_hook(struct init *init, const struct hook *hook, int output) {
  KERNEL(fchdir, init->root_fd);
  KERNEL(umask, init->umask);
  KERNEL(lseek, init->state_fd, 0, 0);
  KERNEL(dup3, init->state_fd, 0, 0);
  KERNEL(dup3, output, 1, 0);
  KERNEL(dup3, output, 2, 0);
  KERNEL(close_range, 3, ~0u, 0);
  result error = KERNEL(execve, hook->path, hook->arguments, hook->environment);
  char text[64] = "execve failed: errno ";
  text_append_number(text, sizeof text, -error);
  KERNEL(write, 2, text, text_length(text));
  for (;;) KERNEL(exit_group, 127);
}

static uint64_t now_ms(void) {
  int64_t time[2] = {0};
  KERNEL(clock_gettime, 1 /* CLOCK_MONOTONIC */, time);
  return (uint64_t)time[0] * 1000 + (uint64_t)time[1] / 1000000;
}

/* Keeps the beginning of what the hook says, and reads the rest so that it never blocks. */
static void drain(int output, char *text, size_t size) {
  char chunk[512];
  result got = KERNEL(read, output, chunk, sizeof chunk - 1);
  if (got <= 0) return;
  chunk[got] = '\0';
  text_append(text, size, chunk);
}

/* Returns 0 when it ended in time, -ETIMEDOUT otherwise. */
static result supervise(int pidfd, int output, uint32_t timeout_ms, char *text, size_t size) {
  uint64_t deadline = now_ms() + timeout_ms;
  struct poll_entry entries[2] = {{.fd = pidfd, .events = POLLIN_}, {.fd = output, .events = POLLIN_}};
  for (;;) {
    uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;
    int64_t wait[2] = {(int64_t)(left / 1000), (int64_t)(left % 1000) * 1000000};
    result ready = KERNEL(ppoll, entries, 2, timeout_ms == NO_TIMEOUT ? 0 : wait, 0, 0);
    if (ready == 0) return -ETIMEDOUT;
    if (entries[1].returned & POLLIN_) drain(output, text, size);
    else if (entries[1].returned) entries[1].fd = -1;
    if (entries[0].returned) return 0;
  }
}

static result run(struct init *init, const struct hook *hook) {
  int pipe[2], pidfd = -1;
  TRY(init, "pipe2", hook->path, KERNEL(pipe2, pipe, O_CLOEXEC | O_NONBLOCK));
  int output CLEANUP_FD = pipe[0], input CLEANUP_FD = pipe[1];
  struct clone_args clone = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD_};
  result pid = TRY(init, "clone3", hook->path, KERNEL(clone3, &clone, sizeof clone));
  if (pid == 0) become_hook(init, hook, pipe[1]);
  int child CLEANUP_FD = pidfd;
  KERNEL(close, input);
  input = -1;
  char text[MESSAGE_TEXT_BYTES] = "";
  result status = supervise(child, output, hook->timeout_ms, text, sizeof text);
  if (status < 0) KERNEL(pidfd_send_signal, child, SIGKILL_, 0, 0);
  int information[32] = {0};
  KERNEL(waitid, P_PIDFD, child, information, 4 /* WEXITED */, 0);
  drain(output, text, sizeof text);
  /* siginfo_t of waitid(2): si_code at 2, si_status behind the pid and uid. */
  int code = information[2], value = information[6];
  if (status < 0) return fail(init, status, "hook", text);
  if (code == 1 /* CLD_EXITED */ && value == 0) return 0;
  init->failure.value = (uint32_t)(code == 1 ? value : 128 + value);
  return fail(init, -ECANCELED, "hook", text);
}

result run_hook(struct init *init, struct cursor *fields) {
  struct hook hook = {.path = read_text(fields), .timeout_ms = read_u32(fields)};
  hook.arguments = init->pointers;
  result used = TRY(init, "plan", NULL, read_texts(init, fields, hook.arguments, init->pointer_room, NULL));
  hook.environment = init->pointers + used;
  TRY(init, "plan", NULL, read_texts(init, fields, hook.environment, init->pointer_room - (size_t)used, NULL));
  CHECK_FIELDS(init, fields);
  if (init->state_fd < 0) {
    struct message pause = {.kind = MESSAGE_PAUSE, .index = init->failure.index};
    TRY(init, "sendmsg", NULL, message_send(init->report_fd, &pause, -1, -1));
    TRY(init, "recvmsg", NULL, message_await_go(init->report_fd, &init->state_fd));
    if (init->state_fd < 0) return fail(init, -EPROTO, "recvmsg", "no state");
  }
  return run(init, &hook);
}
