/* The interpreter of plans: one function for each operation, which does what the plan says and decides nothing. */
#ifndef RUNLET_INIT_INIT_H
#define RUNLET_INIT_INIT_H

#include "kernel.h"
#include "plan.h"
#include "report.h"

struct init {
  /* Where reports go: the socket of the runtime that creates, then the connection of the one that starts. */
  int report_fd;
  int root_fd;      /* the container's root file system */
  int proc_fd;      /* the host's /proc, verified, opened before anything of the container's is mounted */
  int null_fd;      /* the host's /dev/null, verified */
  int state_fd;     /* the container's state as JSON, for hooks */
  int terminal_fd;  /* the container's end of its pseudo-terminal */
  int empty_fd;     /* an empty read-only directory that has been mounted over a masked path */
  int device_dir_fd; /* the directory of the last device, and its path */
  const char *device_dir;
  size_t device_dir_length;
  bool has_working_directory;
  /* What programs of others are given: the caller's, then the container's. Ours is 0 until the container has its own. */
  uint32_t umask;
  /* Room for argument and environment pointers, mapped before limits on memory hold. */
  const char **pointers;
  size_t pointer_room;
  char home[4096];
  char executable[4096];
  /* What is said of a failure beside its error number: which call, on what. */
  struct message failure;
};

/* Notes what failed and returns `error` (negative). `text` may be NULL. */
result fail(struct init *init, result error, const char *call, const char *text);
/* `TRY(init, "mount", KERNEL(mount, …))` returns from the operation on an error. */
#define TRY(init, call, text, expression)                                      \
  __extension__({                                                              \
    result try_result_ = (expression);                                         \
    if (try_result_ < 0) return fail((init), try_result_, (call), (text));     \
    try_result_;                                                               \
  })
/* The plan does not say what this operation needs: a bug of the encoder. */
#define CHECK_FIELDS(init, cursor) \
  if (!fields_ended(cursor)) return fail((init), -EPROTO, "plan", NULL)

/* path.c */
/* Opens below the root, whatever the container's own links say; retries the EAGAIN of a rename race. */
result open_in_root(struct init *init, const char *path, uint64_t flags, uint64_t resolve);
enum target_kind { TARGET_DIRECTORY, TARGET_FILE };
/* Opens a mount target with O_PATH, making what is missing. `plain` refuses symbolic links. */
result open_target(struct init *init, const char *path, enum target_kind kind, bool create, bool plain);
/* Makes and opens a mount target that does not exist. */
result make_target(struct init *init, const char *path, enum target_kind kind);
/* Opens the directory of `path`, making what is missing; `*name` is its last component. */
result open_parent(struct init *init, const char *path, const char **name);
bool is_directory(int fd);
result attach(struct init *init, int tree_fd, int target_fd, const char *path);
/* Writes one value below our own procfs. */
result write_proc(struct init *init, const char *path, const char *value);

typedef result operation_function(struct init *init, struct cursor *fields);

operation_function pause_for_parent, join_namespace, unshare_namespaces, set_time_offset, fork_child, join_cgroup,
    become_root, set_root_propagation, bind_root, mount_operation, remount, make_device, make_symlink, open_console,
    mask_path, make_path_readonly, enter_root, set_root_readonly, set_propagation, set_hostname, set_domainname,
    set_sysctl, bring_up_loopback, set_oom_score_adj, join_session_keyring, new_session, raise_rlimit, set_rlimit,
    set_no_new_privileges, set_personality, set_scheduler, set_io_priority, set_memory_policy, set_affinity, set_label,
    set_user, drop_bounding_capabilities, set_capabilities, set_working_directory, load_seccomp, find_executable,
    look_up_home, await_start, run_hook, exec_process, make_directory, open_root,
    clear_groups, join_root;

/* namespace.c */
/* Nobody may trace or read us; to be repeated after each change of credentials, which may undo it. */
result hide(struct init *init);

/* exec.c */
/* Reads a list of texts as a NULL-terminated array; returns how many pointers it took. */
result read_texts(struct init *init, struct cursor *fields, const char **texts, size_t room, const char *extra);

/* copy.c */
result copy_tree(struct init *init, int from_fd, int to_fd);

/* move-root.c */
result cover_host_pseudo_filesystems(struct init *init);

#endif
