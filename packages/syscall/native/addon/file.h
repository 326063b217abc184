/* What file.c and file-writer.c share: a new file in one sequence of calls. */
#ifndef RUNLET_FILE_H
#define RUNLET_FILE_H

#include "addon.h"

#include <sys/types.h>
#include <time.h>

struct new_file {
  uint8_t *bytes;
  size_t length;
  mode_t mode;
  /* -1 for the caller's own. */
  uid_t uid;
  gid_t gid;
  struct timespec time;
};

/* Reads six arguments from `index` on: bytes, mode, uid, gid, seconds, nanoseconds. */
void arg_new_file(struct args *args, size_t index, struct new_file *file);

/* Makes a file that must not exist, with content, owner, mode and times; 0 or -errno, and then there is no file. Safe to
 * call from any thread. */
int create_file(int dir_fd, const char *name, const struct new_file *file);

napi_value file_open_writer(napi_env env, napi_callback_info info);
napi_value file_push(napi_env env, napi_callback_info info);
napi_value file_flush(napi_env env, napi_callback_info info);
napi_value file_resume(napi_env env, napi_callback_info info);
napi_value file_close_writer(napi_env env, napi_callback_info info);

#endif
