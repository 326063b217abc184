/* Extended attributes by descriptor, and by directory descriptor and name where the kernel can. */
#include "addon.h"

#include <fcntl.h>
#include <sys/xattr.h>

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#endif

/* struct xattr_args of <linux/xattr.h>, which older headers lack. */
struct value_args {
  uint64_t value;
  uint32_t size;
  uint32_t flags;
};

/* fsetxattr(fd, name, value, flags) */
static napi_value attribute_fsetxattr(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  CLEANUP_FREE char *name = arg_text(&args, 1);
  size_t length = 0;
  uint8_t *value = arg_bytes(&args, 2, &length);
  int flags = arg_int(&args, 3);
  if (args_failed(&args)) return NULL;
  return result_value(env, fsetxattr(fd, name, value, length, flags));
}

/* fgetxattr(fd, name, into) -> length; an empty `into` asks for the length */
static napi_value attribute_fgetxattr(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  CLEANUP_FREE char *name = arg_text(&args, 1);
  size_t length = 0;
  uint8_t *into = arg_bytes(&args, 2, &length);
  if (args_failed(&args)) return NULL;
  return result_value(env, fgetxattr(fd, name, into, length));
}

/* flistxattr(fd, into) -> length; an empty `into` asks for the length */
static napi_value attribute_flistxattr(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  size_t length = 0;
  uint8_t *into = arg_bytes(&args, 1, &length);
  if (args_failed(&args)) return NULL;
  return result_value(env, flistxattr(fd, (char *)into, length));
}

/* fremovexattr(fd, name) */
static napi_value attribute_fremovexattr(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  CLEANUP_FREE char *name = arg_text(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, fremovexattr(fd, name));
}

/* An attribute of what lies at a place: five arguments, dirFd, path, atFlags, name and the bytes of the value. */
struct attribute {
  struct place at;
  uint32_t at_flags;
  char *name;
  struct value_args value;
};

static struct attribute arg_attribute(struct args *args) {
  struct attribute attribute = {.at = arg_place(args, 0), .at_flags = (uint32_t)arg_int(args, 2)};
  attribute.name = arg_text(args, 3);
  size_t length = 0;
  attribute.value.value = (uintptr_t)arg_bytes(args, 4, &length);
  attribute.value.size = (uint32_t)length;
  return attribute;
}

static void attribute_free(struct attribute *attribute) {
  cleanup_place(&attribute->at);
  free(attribute->name);
}
#define CLEANUP_ATTRIBUTE __attribute__((cleanup(attribute_free)))

static napi_value call_for(napi_env env, long number, struct attribute *of) {
  return result_value(env, syscall(number, of->at.dir_fd, of->at.path, of->at_flags, of->name, &of->value, sizeof of->value));
}

/* setxattrat(dirFd, path, atFlags, name, value, flags): Linux 6.13 */
static napi_value attribute_setxattrat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_ATTRIBUTE struct attribute attribute = arg_attribute(&args);
  attribute.value.flags = (uint32_t)arg_int(&args, 5);
  return args_failed(&args) ? NULL : call_for(env, SYS_setxattrat, &attribute);
}

/* getxattrat(dirFd, path, atFlags, name, into) -> length: Linux 6.13 */
static napi_value attribute_getxattrat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_ATTRIBUTE struct attribute attribute = arg_attribute(&args);
  return args_failed(&args) ? NULL : call_for(env, SYS_getxattrat, &attribute);
}

/* listxattrat(dirFd, path, atFlags, into) -> length: Linux 6.13 */
static napi_value attribute_listxattrat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  uint32_t at_flags = (uint32_t)arg_int(&args, 2);
  size_t length = 0;
  uint8_t *into = arg_bytes(&args, 3, &length);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_listxattrat, at.dir_fd, at.path, at_flags, into, length));
}

const struct export_entry attribute_exports[] = {
    {"fsetxattr", attribute_fsetxattr},
    {"fgetxattr", attribute_fgetxattr},
    {"flistxattr", attribute_flistxattr},
    {"fremovexattr", attribute_fremovexattr},
    {"setxattrat", attribute_setxattrat},
    {"getxattrat", attribute_getxattrat},
    {"listxattrat", attribute_listxattrat},
    {0},
};
