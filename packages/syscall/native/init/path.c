/* Paths of the container, resolved by descriptor: no component that the root file system can influence is ever looked up
 * by string from the host's root (CVE-2021-30465, CVE-2024-45310 and their kin). */
#include "init.h"


/* openat2 says EAGAIN when a rename anywhere may have let `..` escape; an attacker can provoke it, so it is bounded. */
#define RESOLVE_RETRIES 256

static result open_below(int directory_fd, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how_ how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
  result fd = -EAGAIN;
  for (int i = 0; i < RESOLVE_RETRIES && fd == -EAGAIN; i++)
    fd = KERNEL(openat2, directory_fd, path, &how, sizeof how);
  return fd;
}

result open_in_root(struct init *init, const char *path, uint64_t flags, uint64_t resolve) {
  return open_below(init->root_fd, path, flags, resolve | RESOLVE_IN_ROOT_ | RESOLVE_NO_MAGICLINKS_);
}

bool is_directory(int fd) {
  struct statx status = {0};
  return KERNEL(statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 && (status.stx_mode & S_IFMT) == S_IFDIR;
}

static const char *skip_slashes(const char *path) {
  while (*path == '/') path++;
  return path;
}

/* Copies the component at `path`; returns what follows it, or NULL when it is too long. */
static const char *take_component(const char *path, char *component, size_t size) {
  size_t length = 0;
  for (; path[length] != '\0' && path[length] != '/'; length++) {
    if (length + 1 >= size) return NULL;
    component[length] = path[length];
  }
  component[length] = '\0';
  return skip_slashes(path + length);
}

/* Opens the deepest directory on the way to `path` that exists, through the container's own links; `*rest` is what is
 * missing below it. */
static result open_existing(struct init *init, const char *path, const char **rest) {
  char prefix[4096] = "/";
  size_t length = text_length(path);
  if (length + 2 > sizeof prefix) return -ENAMETOOLONG;
  text_append(prefix, sizeof prefix, path);
  for (;;) {
    while (length > 0 && path[length - 1] == '/') length--;
    while (length > 0 && path[length - 1] != '/') length--;
    prefix[length + 1] = '\0';
    *rest = path + length;
    result fd = open_in_root(init, prefix, O_PATH_ | O_DIRECTORY, 0);
    if (fd != -ENOENT || length == 0) return fd;
  }
}

/* Makes what is missing of a path that does not exist. What was made is opened without following any link, so that one that
 * appears meanwhile is an error. */
result make_target(struct init *init, const char *path, enum target_kind kind) {
  char component[256];
  const char *rest = NULL;
  int current CLEANUP_FD = (int)open_existing(init, path, &rest);
  if (current < 0) return current;
  for (rest = skip_slashes(rest); *rest != '\0';) {
    rest = take_component(rest, component, sizeof component);
    if (!rest) return -ENAMETOOLONG;
    result made = *rest == '\0' && kind == TARGET_FILE ? KERNEL(mknodat, current, component, S_IFREG | 0644, 0)
                                                      : KERNEL(mkdirat, current, component, 0755);
    if (made < 0 && made != -EEXIST) return made;
    result next = open_below(current, component, O_PATH_ | O_NOFOLLOW, RESOLVE_NO_SYMLINKS_ | RESOLVE_NO_XDEV_);
    if (next < 0) return next;
    KERNEL(close, current);
    current = (int)next;
  }
  int opened = current;
  current = -1;
  return opened;
}

result open_target(struct init *init, const char *path, enum target_kind kind, bool create, bool plain) {
  result fd = open_in_root(init, path, O_PATH_, plain ? RESOLVE_NO_SYMLINKS_ : 0);
  return fd == -ENOENT && create ? make_target(init, path, kind) : fd;
}

result open_parent(struct init *init, const char *path, const char **name) {
  size_t length = text_length(path), slash = length;
  while (slash > 0 && path[slash - 1] != '/') slash--;
  *name = path + slash;
  if (*name[0] == '\0' || slash >= 4096) return -EINVAL;
  if (init->device_dir_fd >= 0 && init->device_dir_length == slash && memcmp(init->device_dir, path, slash) == 0)
    return init->device_dir_fd;
  char directory[4096] = "/";
  memcpy(directory, path, slash);
  directory[slash ? slash : 1] = '\0';
  result fd = open_in_root(init, directory, O_PATH_ | O_DIRECTORY, 0);
  if (fd == -ENOENT) fd = make_target(init, directory, TARGET_DIRECTORY);
  if (fd < 0) return fd;
  fd_close(&init->device_dir_fd);
  init->device_dir_fd = (int)fd;
  init->device_dir = path;
  init->device_dir_length = slash;
  return fd;
}

result attach(struct init *init, int tree_fd, int target_fd, const char *path) {
  TRY(init, "move_mount", path, KERNEL(move_mount, tree_fd, "", target_fd, "", MOVE_MOUNT_EMPTY_PATHS));
  /* What is mounted from here on may cover the directory of the last device. */
  fd_close(&init->device_dir_fd);
  init->device_dir_fd = -1;
  return 0;
}

/* CVE-2019-16884, CVE-2025-52881: the container can mount what it likes over /proc; ours is another one. */
result write_proc(struct init *init, const char *path, const char *value) {
  int fd CLEANUP_FD = (int)open_below(init->proc_fd, path, O_WRONLY, RESOLVE_BENEATH_ | RESOLVE_NO_XDEV_ | RESOLVE_NO_MAGICLINKS_);
  if (fd < 0) return fd;
  size_t length = text_length(value);
  result written = KERNEL(write, fd, value, length);
  return written < 0 ? written : (size_t)written == length ? 0 : -EIO;
}
