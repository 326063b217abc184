/* Mounts: each made detached, given its attributes, and attached by descriptor. */
#include "init.h"

#include <linux/mount.h>

/* Words of <linux/mount.h> whose presence depends on the age of the headers. */
#define FSCONFIG_SET_FLAG_ 0
#define FSCONFIG_SET_STRING_ 1
#define FSCONFIG_CMD_CREATE_ 6
#define FSOPEN_CLOEXEC_ 1
#define FSMOUNT_CLOEXEC_ 1

struct attributes {
  uint64_t set, clear;
};

static struct attributes read_attributes(struct cursor *fields) {
  struct attributes attributes = {.set = read_u64(fields)};
  attributes.clear = read_u64(fields);
  return attributes;
}

static result set_attributes(int fd, bool recursive, struct attributes attributes, uint64_t propagation, int userns_fd) {
  struct mount_attr_ change = {.attr_set = attributes.set, .attr_clr = attributes.clear, .propagation = propagation};
  if (userns_fd >= 0) {
    change.attr_set |= MOUNT_ATTR_IDMAP_;
    change.userns_fd = (uint64_t)userns_fd;
  }
  if (change.attr_set == 0 && change.attr_clr == 0 && propagation == 0) return 0;
  return KERNEL(mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE_ : 0), &change, sizeof change);
}

/* MS_REC is no propagation but says how far it goes. A type and MS_UNBINDABLE's like come one after the other. */
static result set_propagation_of(int fd, struct cursor *fields) {
  for (uint32_t left = read_count(fields, 4); left > 0; left--) {
    uint32_t flags = read_u32(fields);
    result status = set_attributes(fd, (flags & MS_REC) != 0, (struct attributes){0}, flags & ~(uint32_t)MS_REC, -1);
    if (status < 0) return status;
  }
  return 0;
}

/* The kernel's own words on why it refused a file system: lines that start with `e `. */
static result fail_filesystem(struct init *init, result error, const char *call, int context_fd) {
  char log[256];
  result length = KERNEL(read, context_fd, log, sizeof log - 1);
  if (length <= 0) return fail(init, error, call, "");
  log[length] = '\0';
  return fail(init, error, call, log + (length > 2 && log[1] == ' ' ? 2 : 0));
}

/* fsconfig takes 255 bytes for a value; a descriptor's number and a colon are four at most. */
#define MAX_LAYERS 63

struct layers {
  int fds[MAX_LAYERS];
  size_t count;
  int before_fd; /* the working directory before */
};

static void layers_close(struct layers *layers) {
  while (layers->count > 0) KERNEL(close, layers->fds[--layers->count]);
  fd_close(&layers->before_fd);
}

/* The option lowerdir from descriptors: their numbers, as paths that begin in /proc/self/fd. */
static result set_layers(struct init *init, struct cursor *fields, int context, struct layers *layers) {
  char list[4 * MAX_LAYERS + 1] = "";
  for (uint32_t left = read_count(fields, 4); left > 0; left--) {
    const char *host_path = read_text(fields);
    if (layers->count == MAX_LAYERS) return fail(init, -E2BIG, "fsconfig", "too many layers");
    result fd = TRY(init, "open", host_path, KERNEL(openat, AT_FDCWD, host_path, O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
    if (layers->count > 0) text_append(list, sizeof list, ":");
    layers->fds[layers->count++] = (int)fd;
    text_append_number(list, sizeof list, (uint64_t)fd);
  }
  if (layers->count == 0) return 0;
  layers->before_fd = (int)TRY(init, "open", ".", KERNEL(openat, AT_FDCWD, ".", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  int fd CLEANUP_FD =
      (int)TRY(init, "open", "/proc/self/fd", KERNEL(openat, init->proc_fd, "self/fd", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  TRY(init, "fchdir", "/proc/self/fd", KERNEL(fchdir, fd));
  result status = KERNEL(fsconfig, context, FSCONFIG_SET_STRING_, "lowerdir", list, 0);
  return status < 0 ? fail_filesystem(init, status, "fsconfig", context) : 0;
}

static result new_filesystem(struct init *init, struct cursor *fields, uint64_t attributes) {
  const char *type = read_text(fields);
  const char *source = read_optional_text(fields);
  int context CLEANUP_FD = (int)KERNEL(fsopen, type, FSOPEN_CLOEXEC_);
  if (context < 0) return fail(init, context, "fsopen", type);
  if (source) {
    result status = KERNEL(fsconfig, context, FSCONFIG_SET_STRING_, "source", source, 0);
    if (status < 0) return fail_filesystem(init, status, "fsconfig", context);
  }
  for (uint32_t left = read_count(fields, 8); left > 0; left--) {
    const char *key = read_text(fields);
    const char *value = read_optional_text(fields);
    result status = value ? KERNEL(fsconfig, context, FSCONFIG_SET_STRING_, key, value, 0)
                          : KERNEL(fsconfig, context, FSCONFIG_SET_FLAG_, key, 0, 0);
    if (status < 0) return fail_filesystem(init, status, "fsconfig", context);
  }
  struct layers layers __attribute__((cleanup(layers_close))) = {.before_fd = -1};
  result status = set_layers(init, fields, context, &layers);
  if (status < 0) return status;
  status = KERNEL(fsconfig, context, FSCONFIG_CMD_CREATE_, 0, 0, 0);
  if (status < 0) return fail_filesystem(init, status, "mount", context);
  if (layers.before_fd >= 0) TRY(init, "fchdir", ".", KERNEL(fchdir, layers.before_fd));
  result tree = KERNEL(fsmount, context, FSMOUNT_CLOEXEC_, attributes);
  return tree < 0 ? fail_filesystem(init, tree, "fsmount", context) : tree;
}

static result clone_tree(struct init *init, const char *host_path, bool recursive) {
  uint32_t flags = OPEN_TREE_CLONE_ | O_CLOEXEC | (recursive ? AT_RECURSIVE_ : 0);
  return TRY(init, "open_tree", host_path, KERNEL(open_tree, AT_FDCWD, host_path, flags));
}

static result copy_mode(int from_fd, int to_fd) {
  struct statx status = {0};
  result got = KERNEL(statx, from_fd, "", AT_EMPTY_PATH, STATX_MODE, &status);
  return got < 0 ? got : KERNEL(fchmodat, to_fd, ".", status.stx_mode & 07777);
}

enum source_kind { SOURCE_FILESYSTEM = 1, SOURCE_BIND = 2, SOURCE_DESCRIPTOR = 3 };

result mount_operation(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  struct attributes attributes = read_attributes(fields), recursive = read_attributes(fields);
  int userns_fd = (int)read_u32(fields);
  uint32_t flags = read_u32(fields);
  bool idmap_recursive = flags & 1, copy_up = flags & 2, create = flags & 4, plain = flags & 8, keep_mode = flags & 16;
  const char *fallback = read_optional_text(fields);
  enum source_kind source = read_u32(fields);
  /* The source's fields are read where it is opened, the propagation's come last. */
  int tree CLEANUP_FD = -1;
  if (source == SOURCE_FILESYSTEM) {
    struct cursor start = *fields;
    tree = (int)new_filesystem(init, fields, attributes.set);
    if (tree == -EPERM && fallback) {
      tree = (int)clone_tree(init, fallback, true);
      if (tree >= 0) TRY(init, "mount_setattr", path, set_attributes(tree, true, attributes, 0, -1));
      *fields = start;
      read_text(fields);
      read_optional_text(fields);
      for (uint32_t left = read_count(fields, 8); left > 0; left--) read_text(fields), read_optional_text(fields);
      for (uint32_t left = read_count(fields, 4); left > 0; left--) read_text(fields);
    }
  } else if (source == SOURCE_BIND) {
    const char *host_path = read_text(fields);
    bool is_recursive = read_u32(fields) != 0;
    tree = (int)clone_tree(init, host_path, is_recursive);
  } else {
    tree = (int)read_u32(fields);
  }
  if (tree < 0) return tree;
  if (source != SOURCE_FILESYSTEM)
    TRY(init, "mount_setattr", path, set_attributes(tree, false, attributes, 0, -1));
  TRY(init, "mount_setattr", path, set_attributes(tree, idmap_recursive, (struct attributes){0}, 0, userns_fd));
  TRY(init, "mount_setattr", path, set_attributes(tree, true, recursive, 0, -1));

  enum target_kind kind = source == SOURCE_FILESYSTEM || is_directory(tree) ? TARGET_DIRECTORY : TARGET_FILE;
  int target CLEANUP_FD = (int)open_target(init, path, kind, false, plain);
  if (target >= 0 && keep_mode) TRY(init, "fchmodat", path, copy_mode(target, tree));
  if (target == -ENOENT && create) target = (int)make_target(init, path, kind);
  if (target == -ELOOP && plain) return fail(init, target, "openat2", "must be mounted on ordinary directory");
  TRY(init, "openat2", path, target);
  if (copy_up) TRY(init, "copy", path, copy_tree(init, target, tree));
  result status = attach(init, tree, target, path);
  if (status < 0) return status;
  TRY(init, "mount_setattr", path, set_propagation_of(tree, fields));
  CHECK_FIELDS(init, fields);
  if (text_equal(path, "/")) {
    /* What covers the root is the root. */
    fd_close(&init->root_fd);
    init->root_fd = tree;
    tree = -1;
  }
  return 0;
}

result remount(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  struct attributes attributes = read_attributes(fields), recursive = read_attributes(fields);
  int target CLEANUP_FD = (int)open_in_root(init, path, O_PATH_, 0);
  TRY(init, "openat2", path, target);
  TRY(init, "mount_setattr", path, set_attributes(target, false, attributes, 0, -1));
  TRY(init, "mount_setattr", path, set_attributes(target, true, recursive, 0, -1));
  TRY(init, "mount_setattr", path, set_propagation_of(target, fields));
  CHECK_FIELDS(init, fields);
  return 0;
}

result mask_path(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  CHECK_FIELDS(init, fields);
  int target CLEANUP_FD = (int)open_in_root(init, path, O_PATH_, 0);
  if (target == -ENOENT || target == -ENOTDIR) return 0;
  TRY(init, "openat2", path, target);
  int tree CLEANUP_FD = -1;
  if (!is_directory(target)) {
    tree = (int)TRY(init, "open_tree", "/dev/null",
                    KERNEL(open_tree, init->null_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_ | O_CLOEXEC));
  } else if (init->empty_fd >= 0) {
    tree = (int)TRY(init, "open_tree", path,
                    KERNEL(open_tree, init->empty_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_ | O_CLOEXEC));
  } else {
    int context CLEANUP_FD = (int)TRY(init, "fsopen", "tmpfs", KERNEL(fsopen, "tmpfs", FSOPEN_CLOEXEC_));
    TRY(init, "fsconfig", "ro", KERNEL(fsconfig, context, FSCONFIG_SET_FLAG_, "ro", 0, 0));
    TRY(init, "fsconfig", "tmpfs", KERNEL(fsconfig, context, FSCONFIG_CMD_CREATE_, 0, 0, 0));
    tree = (int)TRY(init, "fsmount", "tmpfs", KERNEL(fsmount, context, FSMOUNT_CLOEXEC_, MOUNT_ATTR_RDONLY_));
  }
  result status = attach(init, tree, target, path);
  if (status == 0 && init->empty_fd < 0 && is_directory(tree)) {
    init->empty_fd = tree;
    tree = -1;
  }
  return status;
}

result make_path_readonly(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  CHECK_FIELDS(init, fields);
  int target CLEANUP_FD = (int)open_in_root(init, path, O_PATH_, 0);
  if (target == -ENOENT || target == -ENOTDIR) return 0;
  TRY(init, "openat2", path, target);
  int tree CLEANUP_FD =
      (int)TRY(init, "open_tree", path,
               KERNEL(open_tree, target, "", AT_EMPTY_PATH | AT_RECURSIVE_ | OPEN_TREE_CLONE_ | O_CLOEXEC));
  TRY(init, "mount_setattr", path, set_attributes(tree, true, (struct attributes){.set = MOUNT_ATTR_RDONLY_}, 0, -1));
  return attach(init, tree, target, path);
}

/* CVE-2026-115521: on the descriptor, since a path could lead elsewhere. */
result set_root_readonly(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  TRY(init, "mount_setattr", "/", set_attributes(init->root_fd, false, (struct attributes){.set = MOUNT_ATTR_RDONLY_}, 0, -1));
  return 0;
}

result set_propagation(struct init *init, struct cursor *fields) {
  TRY(init, "mount_setattr", "/", set_propagation_of(init->root_fd, fields));
  CHECK_FIELDS(init, fields);
  return 0;
}
