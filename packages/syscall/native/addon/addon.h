/* The addon's own conventions: every function takes plain numbers, strings and buffers, makes one system call, one
 * inseparable sequence of them, or the same one for many paths, and returns a value >= 0 or -errno. Wrong JavaScript types
 * throw a TypeError; nothing else throws. No policy: what to call, in which order and with which flags is decided in
 * TypeScript. */
#ifndef RUNLET_ADDON_H
#define RUNLET_ADDON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd) {
  if (*fd >= 0) close(*fd);
}
static inline void cleanup_memory(void *pointer) { free(*(void **)pointer); }
#define CLEANUP_FD __attribute__((cleanup(cleanup_fd)))
#define CLEANUP_FREE __attribute__((cleanup(cleanup_memory)))

/* A call that a signal may interrupt before it has done anything, made until it has. */
#define RETRY(call)                             \
  ({                                            \
    int64_t retry_result;                       \
    do retry_result = (int64_t)(call);          \
    while (retry_result < 0 && errno == EINTR); \
    retry_result;                               \
  })

/* The arguments of one call. A wrong type is remembered and thrown once by args_failed(). */
struct args {
  napi_env env;
  size_t count;
  napi_value values[12];
  bool failed;
};

struct args args_of(napi_env env, napi_callback_info info);
int32_t arg_int(struct args *args, size_t index);
/* A number that may lie outside int32: up to 2^53, or a BigInt. */
int64_t arg_int64(struct args *args, size_t index);
bool arg_bool(struct args *args, size_t index);
/* A string as malloc'ed UTF-8, or the bytes of a Buffer, NUL-terminated; NULL for null and undefined. The caller frees
 * it (CLEANUP_FREE). A NUL inside is a TypeError. */
char *arg_text(struct args *args, size_t index);
/* A name in a directory, or a path from there: two arguments, the path as arg_text() reads it (CLEANUP_PLACE). */
struct place {
  int dir_fd;
  char *path;
};
struct place arg_place(struct args *args, size_t index);
static inline void cleanup_place(struct place *place) { free(place->path); }
#define CLEANUP_PLACE __attribute__((cleanup(cleanup_place)))
/* The bytes of a Buffer or Uint8Array; they stay JavaScript's. NULL and 0 for null and undefined. */
uint8_t *arg_bytes(struct args *args, size_t index, size_t *length);
/* An array of numbers, malloc'ed. */
int32_t *arg_ints(struct args *args, size_t index, size_t *length);
/* Throws the TypeError if an argument had a wrong type. */
bool args_failed(struct args *args);

napi_value number_value(napi_env env, int64_t number);
/* `result` of a call that sets errno: itself, or -errno. */
napi_value result_value(napi_env env, int64_t result);
napi_value text_value(napi_env env, const char *text, size_t length);
napi_value array_value(napi_env env, const int64_t *numbers, size_t count);

/* watch-loop.c: polls an epoll in the engine's loop, which has it from then on and calls back with the fd and the number of
 * each event. NULL where there is no such loop: the epoll stays the caller's then. */
struct loop_watcher *watch_in_loop(napi_env env, int epoll_fd, napi_value callback);
void keep_loop(struct loop_watcher *watcher, bool is_kept);

/* One function of the addon; each source file has a table that ends with an empty entry. */
struct export_entry {
  const char *name;
  napi_callback function;
};
extern const struct export_entry path_exports[], process_exports[], socket_exports[], watch_exports[], terminal_exports[],
    file_exports[], sync_exports[], writer_exports[], attribute_exports[], mount_exports[], bpf_exports[], systemd_exports[],
    netlink_exports[], signal_exports[];

#endif
