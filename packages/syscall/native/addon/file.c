/* Calls on files by directory descriptor: the *at family that Node lacks. Names are bytes: a string is passed on as UTF-8, a
 * Buffer as it is. */
#include "addon.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* openat2(dirFd, path, flags, mode, resolve) -> fd */
static napi_value file_openat2(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  struct open_how how = {
      .flags = (uint64_t)(uint32_t)arg_int(&args, 2),
      .mode = (uint64_t)(uint32_t)arg_int(&args, 3),
      .resolve = (uint64_t)(uint32_t)arg_int(&args, 4),
  };
  if (args_failed(&args)) return NULL;
  return result_value(env, RETRY(syscall(SYS_openat2, at.dir_fd, at.path, &how, sizeof how)));
}

/* openat(dirFd, path, flags, mode) -> fd */
static napi_value file_openat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  int flags = arg_int(&args, 2);
  mode_t mode = (mode_t)arg_int(&args, 3);
  if (args_failed(&args)) return NULL;
  return result_value(env, RETRY(openat(at.dir_fd, at.path, flags, mode)));
}

/* mkdirat(dirFd, path, mode) */
static napi_value file_mkdirat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 2);
  if (args_failed(&args)) return NULL;
  return result_value(env, mkdirat(at.dir_fd, at.path, mode));
}

/* mknodat(dirFd, path, mode, major, minor) */
static napi_value file_mknodat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 2);
  uint32_t major_number = (uint32_t)arg_int64(&args, 3), minor_number = (uint32_t)arg_int64(&args, 4);
  if (args_failed(&args)) return NULL;
  /* Raw, as fstatat below: glibc's wrappers of the two carry the version GLIBC_2.33. */
  return result_value(env, syscall(SYS_mknodat, at.dir_fd, at.path, mode, (uint32_t)makedev(major_number, minor_number)));
}

/* symlinkat(target, dirFd, path) */
static napi_value file_symlinkat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_FREE char *target = arg_text(&args, 0);
  CLEANUP_PLACE struct place at = arg_place(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, symlinkat(target, at.dir_fd, at.path));
}

/* linkat(oldDirFd, oldPath, newDirFd, newPath, flags) */
static napi_value file_linkat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place from = arg_place(&args, 0), to = arg_place(&args, 2);
  int flags = arg_int(&args, 4);
  if (args_failed(&args)) return NULL;
  return result_value(env, linkat(from.dir_fd, from.path, to.dir_fd, to.path, flags));
}

/* unlinkat(dirFd, path, flags) */
static napi_value file_unlinkat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  int flags = arg_int(&args, 2);
  if (args_failed(&args)) return NULL;
  return result_value(env, unlinkat(at.dir_fd, at.path, flags));
}

/* renameat2(oldDirFd, oldPath, newDirFd, newPath, flags) */
static napi_value file_renameat2(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place from = arg_place(&args, 0), to = arg_place(&args, 2);
  uint32_t flags = (uint32_t)arg_int(&args, 4);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_renameat2, from.dir_fd, from.path, to.dir_fd, to.path, flags));
}

/* readlinkat(dirFd, path, into) -> length */
static napi_value file_readlinkat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  size_t length = 0;
  uint8_t *into = arg_bytes(&args, 2, &length);
  if (args_failed(&args)) return NULL;
  return result_value(env, readlinkat(at.dir_fd, at.path, (char *)into, length));
}

/* fchmodat2(dirFd, path, mode, flags) */
static napi_value file_fchmodat2(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 2);
  int flags = arg_int(&args, 3);
  if (args_failed(&args)) return NULL;
  return result_value(env, syscall(SYS_fchmodat2, at.dir_fd, at.path, mode, flags));
}

/* fchmodat(dirFd, path, mode): follows a link in the last component */
static napi_value file_fchmodat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 2);
  if (args_failed(&args)) return NULL;
  return result_value(env, fchmodat(at.dir_fd, at.path, mode, 0));
}

/* fchmod(fd, mode) */
static napi_value file_fchmod(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  mode_t mode = (mode_t)arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  return result_value(env, fchmod(fd, mode));
}

/* fchownat(dirFd, path, uid, gid, flags); -1 leaves an id as it is */
static napi_value file_fchownat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  uid_t uid = (uid_t)arg_int64(&args, 2);
  gid_t gid = (gid_t)arg_int64(&args, 3);
  int flags = arg_int(&args, 4);
  if (args_failed(&args)) return NULL;
  return result_value(env, fchownat(at.dir_fd, at.path, uid, gid, flags));
}

/* utimensat(dirFd, path | null, accessSeconds, accessNanoseconds, modifySeconds, modifyNanoseconds, flags) */
static napi_value file_utimensat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  struct timespec times[2] = {
      {.tv_sec = arg_int64(&args, 2), .tv_nsec = arg_int(&args, 3)},
      {.tv_sec = arg_int64(&args, 4), .tv_nsec = arg_int(&args, 5)},
  };
  int flags = arg_int(&args, 6);
  if (args_failed(&args)) return NULL;
  /* The raw call: glibc refuses a null path with EINVAL and has futimens for it. */
  return result_value(env, syscall(SYS_utimensat, at.dir_fd, at.path, times, flags));
}

/* fstatat(dirFd, path, flags, into): fills 16 numbers of 64 bits, in the order that src/file.ts names */
static napi_value file_fstatat(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_PLACE struct place at = arg_place(&args, 0);
  int flags = arg_int(&args, 2);
  size_t length = 0;
  uint8_t *into = arg_bytes(&args, 3, &length);
  if (length != 16 * sizeof(int64_t)) args.failed = true;
  if (args_failed(&args)) return NULL;
  struct stat stat;
  if (syscall(SYS_newfstatat, at.dir_fd, at.path, &stat, flags) < 0) return result_value(env, -1);
  int64_t numbers[16] = {
      stat.st_mode,          stat.st_uid,          stat.st_gid,          stat.st_nlink,
      stat.st_size,          stat.st_blocks,       (int64_t)stat.st_ino, (int64_t)stat.st_dev,
      major(stat.st_rdev),   minor(stat.st_rdev),  stat.st_atim.tv_sec,  stat.st_atim.tv_nsec,
      stat.st_mtim.tv_sec,   stat.st_mtim.tv_nsec, stat.st_ctim.tv_sec,  stat.st_ctim.tv_nsec,
  };
  memcpy(into, numbers, sizeof numbers);
  return number_value(env, 0);
}

/* replaceFile(temporaryPath, path, text, mode): 0 | [errno, what failed: 0 open, 1 write, 2 rename]. Writes a file beside the
 * one that is there, and puts it in its place. */
static napi_value file_replace(napi_env env, napi_callback_info info) {
  enum { OPEN, WRITE, RENAME };
  struct args args = args_of(env, info);
  CLEANUP_FREE char *temporary = arg_text(&args, 0), *path = arg_text(&args, 1), *text = arg_text(&args, 2);
  mode_t mode = (mode_t)arg_int(&args, 3);
  if (!text) args.failed = true;
  if (args_failed(&args)) return NULL;
  int fd CLEANUP_FD = (int)RETRY(open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (fd < 0) return array_value(env, (int64_t[]){errno, OPEN}, 2);
  const char *const end = text + strlen(text);
  for (const char *rest = text; rest < end;) {
    ssize_t count = RETRY(write(fd, rest, (size_t)(end - rest)));
    if (count < 0) return array_value(env, (int64_t[]){errno, WRITE}, 2);
    rest += count;
  }
  if (rename(temporary, path) < 0) return array_value(env, (int64_t[]){errno, RENAME}, 2);
  return number_value(env, 0);
}

/* leadsTo(path, fd): 1 when a path leads to the file that is open, 0 when to another one, | -errno */
static napi_value file_leads_to(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  CLEANUP_FREE char *path = arg_text(&args, 0);
  int fd = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  struct stat open_file, found;
  if (syscall(SYS_newfstatat, fd, "", &open_file, AT_EMPTY_PATH) < 0) return result_value(env, -1);
  if (syscall(SYS_newfstatat, AT_FDCWD, path, &found, 0) < 0) return result_value(env, -1);
  return number_value(env, open_file.st_ino == found.st_ino && open_file.st_dev == found.st_dev);
}

/* fstatfs(fd) -> [type, flags, blockSize, blocks, availableBlocks] or -errno */
static napi_value file_fstatfs(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct statfs stat;
  if (fstatfs(fd, &stat) < 0) return result_value(env, -1);
  int64_t numbers[] = {(int64_t)stat.f_type, (int64_t)stat.f_flags, (int64_t)stat.f_bsize, (int64_t)stat.f_blocks,
                       (int64_t)stat.f_bavail};
  return array_value(env, numbers, sizeof numbers / sizeof *numbers);
}

/* copyFileRange(inFd, inOffset, outFd, outOffset, length) -> copied */
static napi_value file_copy_file_range(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int in_fd = arg_int(&args, 0);
  int64_t in_offset = arg_int64(&args, 1);
  int out_fd = arg_int(&args, 2);
  int64_t out_offset = arg_int64(&args, 3);
  int64_t length = arg_int64(&args, 4);
  if (length < 0) args.failed = true;
  if (args_failed(&args)) return NULL;
  return result_value(env, RETRY(syscall(SYS_copy_file_range, in_fd, &in_offset, out_fd, &out_offset, (size_t)length, 0)));
}

/* lseek(fd, offset, whence) -> offset */
static napi_value file_lseek(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  int64_t offset = arg_int64(&args, 1);
  int whence = arg_int(&args, 2);
  if (args_failed(&args)) return NULL;
  return result_value(env, lseek(fd, offset, whence));
}

/* close(fd) */
static napi_value file_close(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  return result_value(env, close(fd));
}

/* readDirectory(fd) -> Buffer of { type byte, name, NUL } without "." and "..", or -errno. Reads from where the
 * descriptor stands, to the end. */
static napi_value file_read_directory(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  CLEANUP_FREE uint8_t *packed = NULL;
  size_t used = 0, capacity = 0;
  _Alignas(8) uint8_t records[32768];
  for (;;) {
    int64_t count = RETRY(syscall(SYS_getdents64, fd, records, sizeof records));
    if (count < 0) return result_value(env, -1);
    if (count == 0) break;
    /* A packed entry is never longer than the record it comes from. */
    if (used + (size_t)count > capacity) {
      capacity = (used + (size_t)count) * 2;
      uint8_t *grown = realloc(packed, capacity);
      if (grown == NULL) return number_value(env, -ENOMEM);
      packed = grown;
    }
    for (int64_t offset = 0; offset < count;) {
      const uint8_t *record = records + offset;
      uint16_t record_length;
      memcpy(&record_length, record + offsetof(struct dirent64, d_reclen), sizeof record_length);
      const char *name = (const char *)record + offsetof(struct dirent64, d_name);
      offset += record_length;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      size_t length = strlen(name) + 1;
      packed[used++] = record[offsetof(struct dirent64, d_type)];
      memcpy(packed + used, name, length);
      used += length;
    }
  }
  napi_value buffer = NULL;
  if (napi_create_buffer_copy(env, used, packed ? packed : (uint8_t *)"", NULL, &buffer) != napi_ok)
    return number_value(env, -ENOMEM);
  return buffer;
}

const struct export_entry file_exports[] = {
    {"openat2", file_openat2},
    {"openat", file_openat},
    {"mkdirat", file_mkdirat},
    {"mknodat", file_mknodat},
    {"symlinkat", file_symlinkat},
    {"linkat", file_linkat},
    {"unlinkat", file_unlinkat},
    {"renameat2", file_renameat2},
    {"readlinkat", file_readlinkat},
    {"fchmodat2", file_fchmodat2},
    {"fchmodat", file_fchmodat},
    {"fchmod", file_fchmod},
    {"fchownat", file_fchownat},
    {"utimensat", file_utimensat},
    {"fstatat", file_fstatat},
    {"replaceFile", file_replace},
    {"leadsTo", file_leads_to},
    {"fstatfs", file_fstatfs},
    {"copyFileRange", file_copy_file_range},
    {"lseek", file_lseek},
    {"closeFile", file_close},
    {"readDirectory", file_read_directory},
    {0},
};
