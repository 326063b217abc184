/* The root file system: made a mount of its own, then made `/`. */
#include "init.h"

#include <linux/mount.h>

#define MNT_DETACH_ 2

result set_root_propagation(struct init *init, struct cursor *fields) {
  for (uint32_t left = read_count(fields, 4); left > 0; left--)
    TRY(init, "mount", "/", KERNEL(mount, 0, "/", 0, read_u32(fields), 0));
  const char *root_path = read_optional_text(fields);
  CHECK_FIELDS(init, fields);
  if (!root_path) return 0;
  /* The mount that holds the root: the nearest path upwards that is a mount point. EINVAL says that it is none. */
  char parent[4096] = "";
  text_append(parent, sizeof parent, root_path);
  for (size_t length = text_length(parent);;) {
    result status = KERNEL(mount, 0, parent, 0, MS_PRIVATE, 0);
    if (status == 0) return 0;
    if (status != -EINVAL || length <= 1) return fail(init, status, "mount", parent);
    while (length > 1 && parent[length - 1] != '/') length--;
    while (length > 1 && parent[length - 1] == '/') length--;
    parent[length] = '\0';
  }
}

/* The host's /dev/null, of the mount namespace that is the container's: only a mount of that can be cloned. */
static result open_null(struct init *init) {
  init->null_fd = (int)TRY(init, "open", "/dev/null", KERNEL(openat, AT_FDCWD, "/dev/null", O_PATH_ | O_CLOEXEC | O_NOFOLLOW, 0));
  struct statx status = {0};
  TRY(init, "statx", "/dev/null", KERNEL(statx, init->null_fd, "", AT_EMPTY_PATH, STATX_TYPE, &status));
  if ((status.stx_mode & S_IFMT) != S_IFCHR || status.stx_rdev_major != 1 || status.stx_rdev_minor != 3)
    return fail(init, -ENODEV, "statx", "/dev/null is not the null device");
  return 0;
}

result open_root(struct init *init, struct cursor *fields) {
  const char *host_path = read_text(fields);
  CHECK_FIELDS(init, fields);
  init->root_fd = (int)TRY(init, "open", host_path, KERNEL(openat, AT_FDCWD, host_path, O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  return open_null(init);
}

result bind_root(struct init *init, struct cursor *fields) {
  const char *host_path = read_text(fields);
  int tree_fd = (int)read_u32(fields);
  CHECK_FIELDS(init, fields);
  result status = open_null(init);
  if (status < 0) return status;
  if (tree_fd >= 0) {
    init->root_fd = tree_fd;
    int host_root CLEANUP_FD = (int)TRY(init, "open", "/", KERNEL(openat, AT_FDCWD, "/", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
    return attach(init, tree_fd, host_root, host_path);
  }
  int below CLEANUP_FD = (int)TRY(init, "open", host_path, KERNEL(openat, AT_FDCWD, host_path, O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  init->root_fd = (int)TRY(init, "open_tree", host_path,
                           KERNEL(open_tree, below, "", AT_EMPTY_PATH | AT_RECURSIVE_ | OPEN_TREE_CLONE_ | O_CLOEXEC));
  return attach(init, init->root_fd, below, host_path);
}

static bool is_null_device(int fd) {
  struct statx status = {0};
  return KERNEL(statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 && (status.stx_mode & S_IFMT) == S_IFCHR &&
         status.stx_rdev_major == 1 && status.stx_rdev_minor == 3;
}

/* Standard streams that are open on the host's null device get the container's: one of the host's could be given another mode
 * through the descriptor, and CRIU saves no file of a mount that is not the container's. Where the container has no such
 * device, and nothing else will do, they stay. */
static void take_own_null(struct init *init) {
  int own CLEANUP_FD = -1;
  for (int fd = 0; fd <= 2; fd++) {
    if (!is_null_device(fd)) continue;
    if (own < 0) {
      /* Looked at before it is opened: another device might wait, or do something. */
      int seen CLEANUP_FD = (int)open_in_root(init, "/dev/null", O_PATH_, RESOLVE_NO_SYMLINKS_);
      if (seen < 0 || !is_null_device(seen)) return;
      own = (int)open_in_root(init, "/dev/null", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS_);
      if (own < 0 || !is_null_device(own)) return;
    }
    KERNEL(dup3, own, fd, 0);
  }
}

enum enter_method { ENTER_PIVOT = 1, ENTER_MOVE = 2, ENTER_CHROOT = 3 };

result enter_root(struct init *init, struct cursor *fields) {
  enum enter_method method = read_u32(fields);
  CHECK_FIELDS(init, fields);
  if (method == ENTER_MOVE) {
    result status = cover_host_pseudo_filesystems(init);
    if (status < 0) return status;
  }
  int old_root CLEANUP_FD = (int)TRY(init, "open", "/", KERNEL(openat, AT_FDCWD, "/", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  TRY(init, "fchdir", "/", KERNEL(fchdir, init->root_fd));
  if (method == ENTER_PIVOT) {
    /* pivot_root(2), "pivot_root(".", ".")": the old root comes to lie over the new one. */
    TRY(init, "pivot_root", NULL, KERNEL(pivot_root, ".", "."));
    TRY(init, "fchdir", "old root", KERNEL(fchdir, old_root));
    /* Its unmounting must not reach the host where the tree is shared. */
    TRY(init, "mount", "old root", KERNEL(mount, 0, ".", 0, MS_SLAVE | MS_REC, 0));
    TRY(init, "umount2", "old root", KERNEL(umount2, ".", MNT_DETACH_));
  } else {
    if (method == ENTER_MOVE)
      TRY(init, "move_mount", "/", KERNEL(move_mount, init->root_fd, "", AT_FDCWD, "/", 0x4 /* F_EMPTY_PATH */));
    TRY(init, "chroot", NULL, KERNEL(chroot, "."));
  }
  TRY(init, "chdir", "/", KERNEL(chdir, "/"));
  if (method != ENTER_CHROOT) take_own_null(init);
  return 0;
}

/* CVE-2026-109569: a process that joins a container stands in the container's root, or goes nowhere. The host's procfs is
 * let go before anybody in the container can see us. */
result join_root(struct init *init, struct cursor *fields) {
  int given = (int)read_u32(fields);
  struct statx status = {0};
  bool known = false;
  if (given < 0)
    init->root_fd = (int)TRY(init, "open", "/", KERNEL(openat, AT_FDCWD, "/", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  else
    init->root_fd = given;
  TRY(init, "statx", "/", KERNEL(statx, init->root_fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &status));
  for (uint32_t left = read_count(fields, 16); left > 0; left--) {
    uint32_t major = read_u32(fields), minor = read_u32(fields);
    uint64_t inode = read_u64(fields);
    if (status.stx_dev_major == major && status.stx_dev_minor == minor && status.stx_ino == inode) known = true;
  }
  CHECK_FIELDS(init, fields);
  if (!known) return fail(init, -EXDEV, "statx", "not the container's root");
  fd_close(&init->proc_fd);
  init->proc_fd = -1;
  TRY(init, "fchdir", "/", KERNEL(fchdir, init->root_fd));
  if (given >= 0) TRY(init, "chroot", NULL, KERNEL(chroot, "."));
  return 0;
}
