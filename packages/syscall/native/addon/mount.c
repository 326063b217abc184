/* Trees of mounts that the runtime prepares for a helper that may not: clones, id maps, propagation. */
#include "addon.h"

#include <fcntl.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct mount_attributes {
  uint64_t attr_set, attr_clr, propagation, userns_fd;
};

/* openTree(path, flags): fd | -errno */
static napi_value open_tree_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  char *path CLEANUP_FREE = arg_text(&args, 0);
  uint32_t flags = (uint32_t)arg_int64(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_open_tree, AT_FDCWD, path, flags));
}

/* mountSetattr(fd, flags, set, propagation, userNamespaceFd): 0 | -errno */
static napi_value mount_setattr_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  uint32_t flags = (uint32_t)arg_int64(&args, 1);
  struct mount_attributes attributes = {.attr_set = (uint64_t)arg_int64(&args, 2)};
  attributes.propagation = (uint64_t)arg_int64(&args, 3);
  attributes.userns_fd = (uint64_t)arg_int64(&args, 4);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, &attributes, sizeof attributes));
}

const struct export_entry mount_exports[] = {
    {"openTree", open_tree_export},
    {"mountSetattr", mount_setattr_export},
    {0},
};
