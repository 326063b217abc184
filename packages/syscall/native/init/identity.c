/* Who the process is: user, groups, capabilities, system call filter. */
#include "init.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

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
  if (umask != UINT32_MAX) KERNEL(umask, umask);
  return 0;
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

result load_seccomp(struct init *init, struct cursor *fields) {
  uint32_t flags = read_u32(fields), length = 0;
  bool has_listener = read_u32(fields) != 0;
  const uint8_t *filter = read_bytes(fields, &length);
  CHECK_FIELDS(init, fields);
  struct sock_fprog program = {.len = (unsigned short)(length / 8), .filter = (struct sock_filter *)filter};
  result listener = TRY(init, "seccomp", NULL, KERNEL(seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
  if (!has_listener) return 0;
  struct message message = {.kind = MESSAGE_LISTENER, .index = init->failure.index};
  int listener_fd CLEANUP_FD = (int)listener;
  TRY(init, "sendmsg", "seccomp listener", message_send(init->report_fd, &message, listener_fd, -1));
  return 0;
}
