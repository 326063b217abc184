/* Namespaces, control groups, and the pauses in which the runtime does its own operations. */
#include "init.h"

#include <linux/prctl.h>
#include <linux/sched.h>

#define SIGCHLD_ 17

result pause_for_parent(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  struct message message = {.kind = MESSAGE_PAUSE, .index = init->failure.index};
  int fd = -1;
  TRY(init, "sendmsg", NULL, message_send(init->report_fd, &message, -1, -1));
  TRY(init, "recvmsg", NULL, message_await_go(init->report_fd, &fd));
  fd_close(&fd);
  return 0;
}

/* CVE-2016-9962: in namespaces that others live in already, nobody may trace us. */
result hide(struct init *init) {
  TRY(init, "prctl", "PR_SET_DUMPABLE", KERNEL(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0));
  return 0;
}

result join_namespace(struct init *init, struct cursor *fields) {
  uint32_t type = read_u32(fields);
  int fd = (int)read_u32(fields);
  CHECK_FIELDS(init, fields);
  result status = hide(init);
  if (status < 0) return status;
  TRY(init, "setns", NULL, KERNEL(setns, fd, type));
  KERNEL(close, fd);
  /* Other credentials make a process dumpable again where fs.suid_dumpable says so. */
  return hide(init);
}

result unshare_namespaces(struct init *init, struct cursor *fields) {
  uint32_t types = read_u32(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "unshare", NULL, KERNEL(unshare, types));
  return 0;
}

result set_time_offset(struct init *init, struct cursor *fields) {
  const char *line = read_text(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "write", "/proc/self/timens_offsets", write_proc(init, "self/timens_offsets", line));
  return 0;
}

/* CLONE_PARENT makes the child the runtime's own, which waits for it and signals it like one that it cloned itself. */
result fork_child(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  struct clone_args clone = {.flags = CLONE_PARENT};
  result pid = TRY(init, "clone3", NULL, KERNEL(clone3, &clone, sizeof clone));
  if (pid > 0) {
    struct message message = {.kind = MESSAGE_FORKED, .index = init->failure.index, .value = (uint32_t)pid};
    message_send(init->report_fd, &message, -1, -1);
    for (;;) KERNEL(exit_group, 0);
  }
  int fd = -1;
  TRY(init, "recvmsg", NULL, message_await_go(init->report_fd, &fd));
  fd_close(&fd);
  return 0;
}

result join_cgroup(struct init *init, struct cursor *fields) {
  for (uint32_t left = read_count(fields, 4); left > 0; left--) {
    int fd = (int)read_u32(fields);
    TRY(init, "write", "control group", KERNEL(write, fd, "0", 1));
    KERNEL(close, fd);
  }
  CHECK_FIELDS(init, fields);
  return 0;
}

result clear_groups(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  TRY(init, "setgroups", NULL, KERNEL(setgroups, 0, 0));
  return 0;
}

result become_root(struct init *init, struct cursor *fields) {
  uint32_t uid = read_u32(fields), gid = read_u32(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "setresgid", NULL, KERNEL(setresgid, gid, gid, gid));
  TRY(init, "setresuid", NULL, KERNEL(setresuid, uid, uid, uid));
  return hide(init);
}
