/* Who the process is: user, groups, capabilities, system call filter. */
#include "init.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/wait.h>

result set_user(struct init *init, struct cursor *fields) {
  uint32_t uid = read_u32(fields), gid = read_u32(fields), umask = read_u32(fields);
  bool sets_groups = read_u32(fields) != 0;
  uint32_t count = read_count(fields, 4);
  const void *groups = fields->at;
  for (uint32_t i = 0; i < count; i++) read_u32(fields);
  CHECK_FIELDS(init, fields);
  /* The container's user must be able to open its own terminal; no other descriptor is ours to give away. */
  if (init->terminal_fd >= 0) TRY(init, "fchown", "terminal", KERNEL(fchown, init->terminal_fd, uid, -1));
  TRY(init, "prctl", "PR_SET_KEEPCAPS", KERNEL(prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0));
  if (sets_groups) TRY(init, "setgroups", NULL, KERNEL(setgroups, count, groups));
  TRY(init, "setresgid", NULL, KERNEL(setresgid, gid, gid, gid));
  TRY(init, "setresuid", NULL, KERNEL(setresuid, uid, uid, uid));
  if (umask != UINT32_MAX) {
    KERNEL(umask, umask);
    init->umask = umask;
  }
  return hide(init);
}

/* PR_CAPBSET_DROP fails with EINVAL behind the last capability that the kernel has. */
result drop_bounding_capabilities(struct init *init, struct cursor *fields) {
  uint64_t keep = read_u64(fields);
  CHECK_FIELDS(init, fields);
  for (uint32_t capability = 0; capability < 64; capability++) {
    if (keep >> capability & 1) continue;
    result status = KERNEL(prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (status == -EINVAL) return 0;
    /* Without CAP_SETPCAP a capability that is not in the set need not be dropped. */
    if (status == -EPERM && KERNEL(prctl, PR_CAPBSET_READ, capability, 0, 0, 0) == 0) continue;
    TRY(init, "prctl", "PR_CAPBSET_DROP", status);
  }
  return 0;
}

result set_capabilities(struct init *init, struct cursor *fields) {
  uint64_t effective = read_u64(fields), permitted = read_u64(fields), inheritable = read_u64(fields);
  uint64_t ambient = read_u64(fields);
  CHECK_FIELDS(init, fields);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
  };
  TRY(init, "capset", NULL, KERNEL(capset, &header, data));
  TRY(init, "prctl", "PR_CAP_AMBIENT", KERNEL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  for (uint32_t capability = 0; capability < 64; capability++)
    if (ambient >> capability & 1)
      TRY(init, "prctl", "PR_CAP_AMBIENT", KERNEL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0));
  return 0;
}

#define SIGCHLD_ 17
#define LISTENER_PENDING (-1)
#define LISTENER_NONE (-2)
#define LISTENER_PASSED (-3)
#define LISTENER_PAUSE_NS 50000
#define LISTENER_PAUSES 200000
#define LISTENER_SPINS (1 << 28)

/* Waits until the filter is installed, and hands its listener over. Bounded, in case the other process is killed. */
__attribute__((noreturn)) static void pass_listener(struct init *init, volatile int *listener) {
  const int64_t pause[2] = {0, LISTENER_PAUSE_NS};
  for (int left = LISTENER_PAUSES; *listener == LISTENER_PENDING && left > 0; left--) KERNEL(nanosleep, pause, 0);
  if (*listener >= 0) {
    struct message message = {.kind = MESSAGE_LISTENER, .index = init->failure.index};
    message_send(init->report_fd, &message, *listener, -1);
    KERNEL(close, *listener);
    *listener = LISTENER_PASSED;
  }
  for (;;) KERNEL(exit_group, 0);
}

/* The filter holds from the call on, and any call may be one that waits for whoever has the listener. So it is handed over
 * by a process without the filter, which shares our descriptors and learns the number from memory. */
static result load_with_listener(struct init *init, uint32_t flags, const struct sock_fprog *program) {
  volatile int *listener = (void *)TRY(
      init, "mmap", NULL, KERNEL(mmap, 0, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  *listener = LISTENER_PENDING;
  struct clone_args clone = {.flags = CLONE_FILES, .exit_signal = SIGCHLD_};
  result pid = TRY(init, "clone3", "seccomp listener", KERNEL(clone3, &clone, sizeof clone));
  if (pid == 0) pass_listener(init, listener);
  result status = KERNEL(seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
  *listener = status < 0 ? LISTENER_NONE : (int)status;
  /* Under the filter. Where it refuses even this, the process is waited for without a call, and collected by whoever
   * collects orphans in the container. */
  result collected;
  do collected = KERNEL(waitid, P_PID, pid, 0, WEXITED, 0);
  while (collected == -EINTR);
  for (int left = LISTENER_SPINS; *listener >= 0 && left > 0; left--) continue;
  TRY(init, "seccomp", NULL, status);
  return 0;
}

result load_seccomp(struct init *init, struct cursor *fields) {
  uint32_t flags = read_u32(fields), length = 0;
  bool has_listener = read_u32(fields) != 0;
  const uint8_t *filter = read_bytes(fields, &length);
  CHECK_FIELDS(init, fields);
  /* The kernel's limit; and more than that would be cut by the width of `len`. */
  if (length % sizeof(struct sock_filter) != 0 || length / sizeof(struct sock_filter) > BPF_MAXINSNS)
    return fail(init, -EINVAL, "seccomp", NULL);
  struct sock_fprog program = {.len = (unsigned short)(length / sizeof(struct sock_filter)), .filter = (struct sock_filter *)filter};
  if (has_listener) return load_with_listener(init, flags, &program);
  TRY(init, "seccomp", NULL, KERNEL(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
  return 0;
}
