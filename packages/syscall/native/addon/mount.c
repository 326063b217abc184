/* Trees of mounts that the runtime prepares for a helper that may not: clones, new file systems, id maps, propagation. */
#include "addon.h"

#include <fcntl.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
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

/* fsopen(type, flags): fd | -errno */
static napi_value fsopen_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  char *type CLEANUP_FREE = arg_text(&args, 0);
  uint32_t flags = (uint32_t)arg_int64(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_fsopen, type, flags));
}

/* fsconfig(fd, command, key | null, value | null): 0 | -errno */
static napi_value fsconfig_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0), command = arg_int(&args, 1);
  char *key CLEANUP_FREE = arg_text(&args, 2);
  char *value CLEANUP_FREE = arg_text(&args, 3);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_fsconfig, fd, command, key, value, 0));
}

/* fsmount(fd, flags, attributes): fd | -errno */
static napi_value fsmount_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  uint32_t flags = (uint32_t)arg_int64(&args, 1), attributes = (uint32_t)arg_int64(&args, 2);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_fsmount, fd, flags, attributes));
}

const struct export_entry mount_exports[] = {
    {"openTree", open_tree_export},
    {"fsopen", fsopen_export},
    {"fsconfig", fsconfig_export},
    {"fsmount", fsmount_export},
    {"mountSetattr", mount_setattr_export},
    {0},
};
