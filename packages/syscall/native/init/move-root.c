/* Without pivot_root the host's mounts stay in the namespace, below the container's root. A fully visible /proc or /sys
 * among them would let a user namespace inside the container mount an unmasked one of its own, so they are taken away. */
#include "init.h"

#include <linux/mount.h>

#define MNT_DETACH_ 2

struct mount_line {
  char *root, *target, *type;
};

/* `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`, proc_pid_mountinfo(5). Cuts the line in place. */
static bool parse_line(char *line, struct mount_line *mount) {
  char *words[5] = {0};
  size_t count = 0;
  while (count < 5 && *line != '\0') {
    words[count++] = line;
    while (*line != '\0' && *line != ' ') line++;
    if (*line == ' ') *line++ = '\0';
  }
  for (; *line != '\0'; line++) {
    if (line[0] != '-' || line[1] != ' ') continue;
    mount->type = line + 2;
    char *end = mount->type;
    while (*end != '\0' && *end != ' ') end++;
    *end = '\0';
    mount->root = words[3];
    mount->target = words[4];
    return count == 5;
  }
  return false;
}

/* Octal escapes of blanks and backslashes. */
static void unescape(char *text) {
  char *to = text;
  for (; *text != '\0'; text++) {
    if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[3] >= '0') {
      *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
      text += 3;
    } else {
      *to++ = *text;
    }
  }
  *to = '\0';
}

static bool lies_in(const char *target, const char *directory) {
  while (*directory != '\0' && *directory == *target) directory++, target++;
  return *directory == '\0' && (*target == '/' || *target == '\0');
}

static result cover(struct init *init, const char *target) {
  result status = KERNEL(mount, 0, target, 0, MS_SLAVE | MS_REC, 0);
  if (status == 0) status = KERNEL(umount2, target, MNT_DETACH_);
  if (status == 0 || status == -ENOENT) return 0;
  if (status != -EINVAL && status != -EPERM) return fail(init, status, "umount2", target);
  /* Locked, since it came from another user namespace: it can be covered though. */
  TRY(init, "mount", target, KERNEL(mount, "tmpfs", target, "tmpfs", MS_RDONLY, 0));
  return 0;
}

result cover_host_pseudo_filesystems(struct init *init) {
  static char buffer[1 << 16];
  struct open_how_ how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV_};
  int fd CLEANUP_FD = (int)TRY(init, "openat2", "mountinfo", KERNEL(openat2, init->proc_fd, "self/mountinfo", &how, sizeof how));
  char root[4096], link[64] = "self/fd/";
  text_append_number(link, sizeof link, init->root_fd);
  result root_length = TRY(init, "readlinkat", "root", KERNEL(readlinkat, init->proc_fd, link, root, sizeof root - 1));
  root[root_length] = '\0';
  size_t filled = 0;
  for (;;) {
    result got = TRY(init, "read", "mountinfo", KERNEL(read, fd, buffer + filled, sizeof buffer - 1 - filled));
    filled += (size_t)got;
    buffer[filled] = '\0';
    char *line = buffer;
    for (char *at = buffer; *at != '\0'; at++) {
      if (*at != '\n') continue;
      *at = '\0';
      struct mount_line mount;
      if (parse_line(line, &mount) && text_equal(mount.root, "/") &&
          (text_equal(mount.type, "proc") || text_equal(mount.type, "sysfs"))) {
        unescape(mount.target);
        result status = lies_in(mount.target, root) ? 0 : cover(init, mount.target);
        if (status < 0) return status;
      }
      line = at + 1;
    }
    if (got == 0) return 0;
    filled = (size_t)(buffer + filled - line);
    if (filled == sizeof buffer - 1) return fail(init, -E2BIG, "read", "mountinfo");
    memmove(buffer, line, filled);
  }
}
