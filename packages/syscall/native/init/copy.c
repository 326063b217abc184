/* Copies a directory into a file system that is about to cover it (tmpcopyup). */
#include "init.h"


#define COPY_MAX_DEPTH 64
#define DIRECTORY_BUFFER_BYTES 2048

struct directory_entry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

static result copy_directory(int from_fd, int to_fd, unsigned depth);

static result copy_file(int from, const char *name, int to, const struct statx *status) {
  int source CLEANUP_FD = (int)KERNEL(openat, from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
  if (source < 0) return source;
  int target CLEANUP_FD = (int)KERNEL(openat, to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (target < 0) return target;
  for (;;) {
    char buffer[8192];
    result got = KERNEL(read, source, buffer, sizeof buffer);
    if (got < 0) return got;
    if (got == 0) break;
    for (result done = 0; done < got;) {
      result wrote = KERNEL(write, target, buffer + done, got - done);
      if (wrote < 0) return wrote;
      done += wrote;
    }
  }
  result owned = KERNEL(fchown, target, status->stx_uid, status->stx_gid);
  return owned < 0 ? owned : KERNEL(fchmod, target, status->stx_mode & 07777);
}

static result copy_link(int from, const char *name, int to, const struct statx *status) {
  char link[4096];
  result length = KERNEL(readlinkat, from, name, link, sizeof link - 1);
  if (length < 0) return length;
  link[length] = '\0';
  result made = KERNEL(symlinkat, link, to, name);
  return made < 0 ? made : KERNEL(fchownat, to, name, status->stx_uid, status->stx_gid, AT_SYMLINK_NOFOLLOW);
}

static result copy_subdirectory(int from, const char *name, int to, unsigned depth) {
  result made = KERNEL(mkdirat, to, name, 0700);
  if (made < 0) return made;
  int source CLEANUP_FD = (int)KERNEL(openat, from, name, O_PATH_ | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  int target CLEANUP_FD = (int)KERNEL(openat, to, name, O_PATH_ | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  if (source < 0) return source;
  if (target < 0) return target;
  return copy_directory(source, target, depth + 1);
}

static result copy_entry(int from, const char *name, int to, unsigned depth) {
  struct statx status = {0};
  result got = KERNEL(statx, from, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status);
  if (got < 0) return got;
  switch (status.stx_mode & S_IFMT) {
    case S_IFDIR:
      return copy_subdirectory(from, name, to, depth);
    case S_IFREG:
      return copy_file(from, name, to, &status);
    case S_IFLNK:
      return copy_link(from, name, to, &status);
    default: {
      uint32_t major = status.stx_rdev_major, minor = status.stx_rdev_minor;
      uint32_t device = (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
      result made = KERNEL(mknodat, to, name, status.stx_mode, device);
      return made < 0 ? made : KERNEL(fchownat, to, name, status.stx_uid, status.stx_gid, AT_SYMLINK_NOFOLLOW);
    }
  }
}

static bool is_dot(const char *name) { return text_equal(name, ".") || text_equal(name, ".."); }

static result copy_directory(int from_fd, int to_fd, unsigned depth) {
  if (depth > COPY_MAX_DEPTH) return -ELOOP;
  int from CLEANUP_FD = (int)KERNEL(openat, from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  int to CLEANUP_FD = (int)KERNEL(openat, to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (from < 0) return from;
  if (to < 0) return to;
  for (;;) {
    _Alignas(struct directory_entry) char entries[DIRECTORY_BUFFER_BYTES];
    result length = KERNEL(getdents64, from, entries, sizeof entries);
    if (length < 0) return length;
    if (length == 0) break;
    for (result at = 0; at < length;) {
      const struct directory_entry *entry = (const void *)(entries + at);
      at += entry->length;
      result status = is_dot(entry->name) ? 0 : copy_entry(from, entry->name, to, depth);
      if (status < 0) return status;
    }
  }
  /* The top one is the new file system's own, whose options say whose it is and what it allows. */
  if (depth == 0) return 0;
  struct statx status = {0};
  result got = KERNEL(statx, from, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status);
  if (got == 0) got = KERNEL(fchown, to, status.stx_uid, status.stx_gid);
  return got < 0 ? got : KERNEL(fchmod, to, status.stx_mode & 07777);
}

result copy_tree(struct init *init, int from_fd, int to_fd) {
  (void)init;
  return copy_directory(from_fd, to_fd, 0);
}
