/* What the process sees of the file system, and what it may do there. */
#define _GNU_SOURCE
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static void read_file(char *path) {
  static char content[1 << 17];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    json_errno();
    return;
  }
  size_t length = 0;
  ssize_t count;
  while (length < sizeof content && (count = read(fd, content + length, sizeof content - length)) > 0) length += (size_t)count;
  if (count < 0) {
    json_errno();
  } else {
    json_bytes(content, length);
  }
  close(fd);
}

static void write_descriptor(int fd, const char *text) {
  if (fd < 0) {
    json_errno();
    return;
  }
  ssize_t count = write(fd, text, strlen(text));
  json_result(count);
  close(fd);
}

/* write=PATH:TEXT makes the file where it is missing; overwrite=PATH:TEXT does not. */
static void write_file(char *operand) {
  char *text = strrchr(operand, ':');
  *text++ = '\0';
  write_descriptor(open(operand, O_WRONLY | O_CREAT | O_CLOEXEC, 0666), text);
}

static void overwrite_file(char *operand) {
  char *text = strrchr(operand, ':');
  *text++ = '\0';
  write_descriptor(open(operand, O_WRONLY | O_CLOEXEC), text);
}

/* Past the page cache, in blocks of 64 KiB: prints the milliseconds that it took. */
static void transfer_direct(char *operand, bool writes) {
  static _Alignas(4096) char block[1 << 16];
  char *kibibytes = strrchr(operand, ':');
  *kibibytes++ = '\0';
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  int fd = open(operand, (writes ? O_WRONLY | O_CREAT : O_RDONLY) | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0) {
    json_errno();
    return;
  }
  for (long left = atol(kibibytes); left > 0; left -= (long)(sizeof block >> 10)) {
    ssize_t count = writes ? write(fd, block, sizeof block) : read(fd, block, sizeof block);
    if (count != (ssize_t)sizeof block) {
      json_errno();
      close(fd);
      return;
    }
  }
  close(fd);
  clock_gettime(CLOCK_MONOTONIC, &end);
  json_number((end.tv_sec - start.tv_sec) * 1000LL + (end.tv_nsec - start.tv_nsec) / 1000000);
}

/* writeDirectKiB=PATH:KIB and readDirectKiB=PATH:KIB */
static void write_direct(char *operand) { transfer_direct(operand, true); }
static void read_direct(char *operand) { transfer_direct(operand, false); }

static void open_for(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  json_result(fd);
  if (fd >= 0) close(fd);
}

static void open_to_read(char *path) { open_for(path, O_RDONLY); }
static void open_to_write(char *path) { open_for(path, O_WRONLY); }

static const char *type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "symlink";
    case S_IFCHR: return "c";
    case S_IFBLK: return "b";
    case S_IFIFO: return "p";
    case S_IFSOCK: return "socket";
    default: return "unknown";
  }
}

static void print_stat(int result, const struct stat *found) {
  if (result < 0) {
    json_errno();
    return;
  }
  char text[256];
  snprintf(text, sizeof text,
           "{\"type\":\"%s\",\"mode\":%u,\"uid\":%u,\"gid\":%u,\"size\":%lld,\"inode\":%llu,\"major\":%u,\"minor\":%u}",
           type_of(found->st_mode), found->st_mode & 07777, found->st_uid, found->st_gid, (long long)found->st_size,
           (unsigned long long)found->st_ino, major(found->st_rdev), minor(found->st_rdev));
  json_raw(text);
}

static void stat_path(char *path) {
  struct stat found;
  print_stat(stat(path, &found), &found);
}

static void lstat_path(char *path) {
  struct stat found;
  print_stat(lstat(path, &found), &found);
}

static void fstat_descriptor(char *number) {
  struct stat found;
  print_stat(fstat(atoi(number), &found), &found);
}

static void read_link(char *path) {
  char target[4096];
  ssize_t length = readlink(path, target, sizeof target);
  if (length < 0) {
    json_errno();
  } else {
    json_bytes(target, (size_t)length);
  }
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void list_directory(char *path) {
  struct dirent **entries;
  int count = scandir(path, &entries, NULL, by_name);
  if (count < 0) {
    json_errno();
    return;
  }
  bool first = true;
  json_raw("[");
  for (int i = 0; i < count; i++) {
    if (strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0) continue;
    if (!first) json_raw(",");
    first = false;
    json_string(entries[i]->d_name);
  }
  json_raw("]");
}

static void make_directory(char *path) { json_result(mkdir(path, 0777)); }
static void remove_path(char *path) { json_result(remove(path)); }
static void change_directory(char *path) { json_result(chdir(path)); }
static void change_owner(char *path) { json_result(chown(path, 12, 34)); }

/* mknod=PATH:c:1:3 */
static void make_node(char *operand) {
  char *path = strtok(operand, ":"), *type = strtok(NULL, ":"), *major = strtok(NULL, ":"), *minor = strtok(NULL, ":");
  mode_t mode = 0600 | (type[0] == 'b' ? S_IFBLK : type[0] == 'p' ? S_IFIFO : S_IFCHR);
  dev_t number = major != NULL && minor != NULL ? makedev((unsigned)atoi(major), (unsigned)atoi(minor)) : 0;
  json_result(mknod(path, mode, number));
}

/* mount=TYPE:TARGET */
static void mount_filesystem(char *operand) {
  char *type = strtok(operand, ":"), *target = strtok(NULL, ":");
  json_result(mount(type, target, type, 0, NULL));
}

static void unmount(char *path) { json_result(umount2(path, MNT_DETACH)); }

static void file_system(char *path) {
  struct statfs found;
  if (statfs(path, &found) < 0) {
    json_errno();
    return;
  }
  char text[128];
  snprintf(text, sizeof text, "{\"magic\":%lld,\"sizeBytes\":%llu,\"flags\":%lld}", (long long)found.f_type,
           (unsigned long long)found.f_blocks * (unsigned long long)found.f_bsize, (long long)found.f_flags);
  json_raw(text);
}

static void working_directory(char *operand) {
  (void)operand;
  char path[4096];
  if (getcwd(path, sizeof path) == NULL) {
    json_errno();
  } else {
    json_string(path);
  }
}

/* Open descriptors by number, found without procfs. */
static void descriptors(char *operand) {
  (void)operand;
  bool first = true;
  json_raw("[");
  for (int fd = 0; fd < 1024; fd++) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    if (!first) json_raw(",");
    first = false;
    json_number(fd);
  }
  json_raw("]");
}

const struct verb file_verbs[] = {{"read", read_file},
                                  {"write", write_file},
                                  {"overwrite", overwrite_file},
                                  {"writeDirectKiB", write_direct},
                                  {"readDirectKiB", read_direct},
                                  {"openRead", open_to_read},
                                  {"openWrite", open_to_write},
                                  {"stat", stat_path},
                                  {"lstat", lstat_path},
                                  {"fstat", fstat_descriptor},
                                  {"readlink", read_link},
                                  {"list", list_directory},
                                  {"mkdir", make_directory},
                                  {"remove", remove_path},
                                  {"chdir", change_directory},
                                  {"chown", change_owner},
                                  {"mknod", make_node},
                                  {"mount", mount_filesystem},
                                  {"umount", unmount},
                                  {"statfs", file_system},
                                  {"cwd", working_directory},
                                  {"fds", descriptors},
                                  {NULL, NULL}};
