#include "argument.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* open(path, flags, mode): a descriptor. */
FUNCTION(file_open) {
  TEXT(path);
  int flags, mode;
  if (!path_of(ctx, arguments[0], &path) || !int_of(arguments[1], &flags) || !int_of(arguments[2], &mode)) {
    return wrong_type(ctx);
  }
  return result_value(ctx, RETRY(open(path.start, flags, (mode_t)mode)));
}

/* close(fd). The descriptor is gone even when a signal comes, see close(2). */
FUNCTION(file_close) {
  int fd;
  if (!int_of(arguments[0], &fd)) return wrong_type(ctx);
  return JS_NewInt32(ctx, close(fd) < 0 && errno != EINTR ? -errno : 0);
}

/* The arguments fd, bytes, offset, length and position of a transfer; `position` is -1 where the file is. */
struct transfer {
  int fd;
  uint8_t *start;
  size_t length;
  int64_t position;
};

static bool transfer_of(JSContext *ctx, JSValueConst *arguments, struct transfer *transfer) {
  struct bytes bytes;
  int64_t offset, length;
  if (!int_of(arguments[0], &transfer->fd) || !bytes_of(ctx, arguments[1], &bytes) || !integer_of(arguments[2], &offset) ||
      !integer_of(arguments[3], &length) || !integer_of(arguments[4], &transfer->position)) {
    return false;
  }
  if (offset < 0 || length < 0 || (uint64_t)offset > bytes.length || (uint64_t)length > bytes.length - (uint64_t)offset) {
    return false;
  }
  transfer->start = bytes.start + offset;
  transfer->length = (size_t)length;
  return true;
}

FUNCTION(file_read) {
  struct transfer t;
  if (!transfer_of(ctx, arguments, &t)) return wrong_type(ctx);
  return result_value(
      ctx, RETRY(t.position < 0 ? read(t.fd, t.start, t.length) : pread(t.fd, t.start, t.length, t.position)));
}

FUNCTION(file_write) {
  struct transfer t;
  if (!transfer_of(ctx, arguments, &t)) return wrong_type(ctx);
  return result_value(
      ctx, RETRY(t.position < 0 ? write(t.fd, t.start, t.length) : pwrite(t.fd, t.start, t.length, t.position)));
}

/* writeText(fd, text): how many bytes of its UTF-8 one write(2) has written. */
FUNCTION(file_write_text) {
  TEXT(text);
  int fd;
  if (!int_of(arguments[0], &fd) || !text_of(ctx, arguments[1], &text)) return wrong_type(ctx);
  return result_value(ctx, RETRY(write(fd, text.start, text.length)));
}

enum content { CONTENT_BYTES, CONTENT_TEXT, CONTENT_LATIN1 };

static void free_content(UNUSED JSRuntime *runtime, UNUSED void *opaque, void *content) { free(content); }

static JSValue content_value(JSContext *ctx, enum content kind, const uint8_t *content, size_t length) {
  if (kind == CONTENT_TEXT) return decode_text(ctx, content, length);
  if (kind == CONTENT_LATIN1) return decode_latin1(ctx, content, length);
  return JS_NewArrayBufferCopy(ctx, content, length);
}

/* readToEnd(fd, kind): what is left of a file, as an ArrayBuffer (0), or as text that is UTF-8 (1) or Latin-1 (2). What
 * stat(2) says of its size is not asked: files of the kernel say 0. */
FUNCTION(file_read_to_end) {
  int fd, kind;
  if (!int_of(arguments[0], &fd) || !int_of(arguments[1], &kind)) return wrong_type(ctx);
  uint8_t first[8192], *content = first;
  size_t length = 0, room = sizeof first;
  int64_t result;
  while ((result = RETRY(read(fd, content + length, room - length))) > 0) {
    length += (size_t)result;
    if (length < room) continue;
    uint8_t *larger = realloc(content == first ? NULL : content, room * 4);
    if (!larger) {
      errno = ENOMEM;
      result = -1;
      break;
    }
    if (content == first) memcpy(larger, first, length);
    content = larger;
    room *= 4;
  }
  if (result < 0) {
    int failure = errno;
    if (content != first) free(content);
    return JS_NewInt32(ctx, -failure);
  }
  if (content == first) return content_value(ctx, (enum content)kind, content, length);
  if (kind == CONTENT_BYTES) {
    uint8_t *fitting = realloc(content, length);
    return JS_NewArrayBuffer(ctx, fitting ? fitting : content, length, free_content, NULL, false);
  }
  JSValue value = content_value(ctx, (enum content)kind, content, length);
  free(content);
  return value;
}

enum { STATUS_FIELDS = 10 };

static double milliseconds(struct timespec time) { return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6; }

/* Fills an ArrayBuffer: dev, ino, mode, nlink, uid, gid, rdev, size and the times of the last changes of the content and of
 * the file itself in milliseconds, as doubles, and then once more as 64-bit integers. */
static JSValue status_value(JSContext *ctx, JSValueConst buffer, int result, const struct stat *status) {
  int failure = errno;
  size_t size;
  uint8_t *into = JS_GetArrayBuffer(ctx, &size, buffer);
  int64_t integers[STATUS_FIELDS];
  double doubles[STATUS_FIELDS];
  if (!into || size < sizeof doubles + sizeof integers) return wrong_type(ctx);
  if (result < 0) return JS_NewInt32(ctx, -failure);
  integers[0] = (int64_t)status->st_dev;
  integers[1] = (int64_t)status->st_ino;
  integers[2] = status->st_mode;
  integers[3] = (int64_t)status->st_nlink;
  integers[4] = status->st_uid;
  integers[5] = status->st_gid;
  integers[6] = (int64_t)status->st_rdev;
  integers[7] = status->st_size;
  integers[8] = status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000;
  integers[9] = status->st_ctim.tv_sec * 1000 + status->st_ctim.tv_nsec / 1000000;
  for (int i = 0; i < 8; i++) doubles[i] = (double)integers[i];
  doubles[8] = milliseconds(status->st_mtim);
  doubles[9] = milliseconds(status->st_ctim);
  memcpy(into, doubles, sizeof doubles);
  memcpy(into + sizeof doubles, integers, sizeof integers);
  return JS_NewInt32(ctx, 0);
}

/* stat(path, buffer) */
FUNCTION(file_stat) {
  TEXT(path);
  struct stat status;
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  return status_value(ctx, arguments[1], stat(path.start, &status), &status);
}

/* lstat(path, buffer) */
FUNCTION(file_lstat) {
  TEXT(path);
  struct stat status;
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  return status_value(ctx, arguments[1], lstat(path.start, &status), &status);
}

/* fstat(fd, buffer) */
FUNCTION(file_fstat) {
  int fd;
  struct stat status;
  if (!int_of(arguments[0], &fd)) return wrong_type(ctx);
  return status_value(ctx, arguments[1], fstat(fd, &status), &status);
}

/* filesystemType(path): the magic number of statfs(2). */
FUNCTION(file_filesystem_type) {
  TEXT(path);
  struct statfs status;
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  return result_value(ctx, RETRY(statfs(path.start, &status)) < 0 ? -1 : (int64_t)(uint32_t)status.f_type);
}

/* access(path, mode) */
FUNCTION(file_access) {
  TEXT(path);
  int mode;
  if (!path_of(ctx, arguments[0], &path) || !int_of(arguments[1], &mode)) return wrong_type(ctx);
  return result_value(ctx, access(path.start, mode));
}

/* mkdir(path, mode) */
FUNCTION(file_mkdir) {
  TEXT(path);
  int mode;
  if (!path_of(ctx, arguments[0], &path) || !int_of(arguments[1], &mode)) return wrong_type(ctx);
  return result_value(ctx, mkdir(path.start, (mode_t)mode));
}

/* chmod(path, mode) */
FUNCTION(file_chmod) {
  TEXT(path);
  int mode;
  if (!path_of(ctx, arguments[0], &path) || !int_of(arguments[1], &mode)) return wrong_type(ctx);
  return result_value(ctx, chmod(path.start, (mode_t)mode));
}

/* rmdir(path) */
FUNCTION(file_rmdir) {
  TEXT(path);
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  return result_value(ctx, rmdir(path.start));
}

/* unlink(path) */
FUNCTION(file_unlink) {
  TEXT(path);
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  return result_value(ctx, unlink(path.start));
}

/* rename(path, newPath) */
FUNCTION(file_rename) {
  TEXT(path);
  TEXT(new_path);
  if (!path_of(ctx, arguments[0], &path) || !path_of(ctx, arguments[1], &new_path)) return wrong_type(ctx);
  return result_value(ctx, rename(path.start, new_path.start));
}

/* readlink(path): a string. */
FUNCTION(file_readlink) {
  TEXT(path);
  /* No link is longer than a page, see symlink(2). */
  char target[4096];
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  ssize_t length = readlink(path.start, target, sizeof target);
  if (length < 0) return JS_NewInt32(ctx, -errno);
  return decode_text(ctx, (const uint8_t *)target, (size_t)length);
}

static int is_entry(const struct dirent *entry) { return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0; }

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

/* readDirectory(path): an array of the name and the type (DT_*) of each entry in turn, sorted by the names' bytes. */
FUNCTION(file_read_directory) {
  TEXT(path);
  struct dirent **entries;
  if (!path_of(ctx, arguments[0], &path)) return wrong_type(ctx);
  int entry_count = scandir(path.start, &entries, is_entry, by_bytes);
  if (entry_count < 0) return JS_NewInt32(ctx, -errno);
  JSValue list = JS_NewArray(ctx);
  for (int i = 0; i < entry_count; i++) {
    if (!JS_IsException(list)) {
      JSValue name = decode_text(ctx, (const uint8_t *)entries[i]->d_name, strlen(entries[i]->d_name));
      if (JS_IsException(name) || JS_SetPropertyUint32(ctx, list, 2 * (uint32_t)i, name) < 0 ||
          JS_SetPropertyUint32(ctx, list, 2 * (uint32_t)i + 1, JS_NewInt32(ctx, entries[i]->d_type)) < 0) {
        JS_FreeValue(ctx, list);
        list = JS_EXCEPTION;
      }
    }
    free(entries[i]);
  }
  free(entries);
  return list;
}

/* isTerminal(fd) */
FUNCTION(file_is_terminal) {
  int fd;
  if (!int_of(arguments[0], &fd)) return wrong_type(ctx);
  return JS_NewBool(ctx, isatty(fd));
}

const struct binding file_bindings[] = {
    {"open", file_open, 3},
    {"close", file_close, 1},
    {"read", file_read, 5},
    {"write", file_write, 5},
    {"writeText", file_write_text, 2},
    {"readToEnd", file_read_to_end, 2},
    {"stat", file_stat, 2},
    {"lstat", file_lstat, 2},
    {"fstat", file_fstat, 2},
    {"filesystemType", file_filesystem_type, 1},
    {"access", file_access, 2},
    {"mkdir", file_mkdir, 2},
    {"chmod", file_chmod, 2},
    {"rmdir", file_rmdir, 1},
    {"unlink", file_unlink, 1},
    {"rename", file_rename, 2},
    {"readlink", file_readlink, 1},
    {"readDirectory", file_read_directory, 1},
    {"isTerminal", file_is_terminal, 1},
    {0},
};
