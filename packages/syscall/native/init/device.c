/* What lies in the container's /dev. */
#include "init.h"

#include <asm/ioctls.h>
#include <asm/termios.h>
#include <linux/magic.h>

#define TIOCGPTPEER_ 0x5441
#define AT_REMOVEDIR_ 0x200

static uint32_t encode_device(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

struct device {
  uint32_t type, major, minor;
};

static bool is_device(const struct statx *status, struct device device) {
  return (status->stx_mode & S_IFMT) == device.type &&
         (device.type == S_IFIFO || (status->stx_rdev_major == device.major && status->stx_rdev_minor == device.minor));
}

/* CVE-2025-31133: what already bears the name may be a link or another device. */
static result check_device(int parent, const char *name, struct device device) {
  struct statx status = {0};
  result got = KERNEL(statx, parent, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status);
  if (got < 0) return got;
  return is_device(&status, device) ? 0 : -EEXIST;
}

/* The host may have another device of this name, or no device at all: says which. */
static result check_host_device(struct init *init, int tree, struct device device) {
  struct statx status = {0};
  TRY(init, "statx", NULL, KERNEL(statx, tree, "", AT_EMPTY_PATH, STATX_TYPE, &status));
  if (is_device(&status, device)) return 0;
  uint32_t type = status.stx_mode & S_IFMT;
  char found[32] = "no device";
  if (type == S_IFCHR || type == S_IFBLK) {
    found[0] = '\0';
    text_append(found, sizeof found, type == S_IFCHR ? "c " : "b ");
    text_append_number(found, sizeof found, status.stx_rdev_major);
    text_append(found, sizeof found, ":");
    text_append_number(found, sizeof found, status.stx_rdev_minor);
  }
  return fail(init, -ENODEV, "statx", found);
}

static result bind_device(struct init *init, const char *path, struct device device) {
  int tree CLEANUP_FD = (int)TRY(init, "open_tree", path, KERNEL(open_tree, AT_FDCWD, path, OPEN_TREE_CLONE_ | O_CLOEXEC));
  result same = check_host_device(init, tree, device);
  if (same < 0) return same;
  const char *name;
  int parent = (int)TRY(init, "openat2", path, open_parent(init, path, &name));
  result made = KERNEL(mknodat, parent, name, S_IFREG | 0666, 0);
  if (made < 0 && made != -EEXIST) return fail(init, made, "mknodat", path);
  struct open_how_ how = {.flags = O_PATH_ | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS_ | RESOLVE_BENEATH_};
  int target CLEANUP_FD = (int)TRY(init, "openat2", path, KERNEL(openat2, parent, name, &how, sizeof how));
  return attach(init, tree, target, path);
}

result make_device(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  struct device device = {.type = read_u32(fields)};
  device.major = read_u32(fields);
  device.minor = read_u32(fields);
  uint32_t mode = read_u32(fields);
  uint32_t uid = read_u32(fields), gid = read_u32(fields);
  bool bind = read_u32(fields) != 0;
  CHECK_FIELDS(init, fields);
  if (bind) return bind_device(init, path, device);
  const char *name;
  int parent = (int)TRY(init, "openat2", path, open_parent(init, path, &name));
  result made = KERNEL(mknodat, parent, name, device.type | mode, encode_device(device.major, device.minor));
  if (made == -EEXIST) {
    TRY(init, "mknodat", path, check_device(parent, name, device));
    return 0;
  }
  TRY(init, "mknodat", path, made);
  if (uid != 0 || gid != 0)
    TRY(init, "fchownat", path, KERNEL(fchownat, parent, name, uid, gid, AT_SYMLINK_NOFOLLOW));
  return 0;
}

result make_symlink(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields), *link = read_text(fields);
  CHECK_FIELDS(init, fields);
  const char *name;
  int parent = (int)TRY(init, "openat2", path, open_parent(init, path, &name));
  result made = KERNEL(symlinkat, link, parent, name);
  if (made == -EEXIST) {
    char present[4096] = "";
    result length = KERNEL(readlinkat, parent, name, present, sizeof present - 1);
    if (length > 0) {
      present[length] = '\0';
      if (text_equal(present, link)) return 0;
    }
    /* CVE-2026-41579: removed by descriptor, so that a /dev that is a link elsewhere is never followed. */
    TRY(init, "unlinkat", path, KERNEL(unlinkat, parent, name, 0));
    made = KERNEL(symlinkat, link, parent, name);
  }
  TRY(init, "symlinkat", path, made);
  return 0;
}

/* CVE-2025-52565: the container's end comes from the main end's descriptor, not from /dev/pts/N. */
static result open_terminal(struct init *init, int main_fd) {
  struct {
    long type, rest[15];
  } filesystem = {0};
  struct statx status = {0};
  int unlock = 0;
  TRY(init, "fstatfs", "/dev/pts/ptmx", KERNEL(fstatfs, main_fd, &filesystem));
  TRY(init, "statx", "/dev/pts/ptmx", KERNEL(statx, main_fd, "", AT_EMPTY_PATH, STATX_TYPE, &status));
  if (filesystem.type != DEVPTS_SUPER_MAGIC || status.stx_rdev_major != 5 || status.stx_rdev_minor != 2)
    return fail(init, -ENODEV, "fstatfs", "/dev/pts/ptmx is not the container's own devpts");
  TRY(init, "ioctl", "TIOCSPTLCK", KERNEL(ioctl, main_fd, TIOCSPTLCK, &unlock));
  return TRY(init, "ioctl", "TIOCGPTPEER", KERNEL(ioctl, main_fd, TIOCGPTPEER_, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

result open_console(struct init *init, struct cursor *fields) {
  struct winsize size = {.ws_row = (unsigned short)read_u32(fields)};
  size.ws_col = (unsigned short)read_u32(fields);
  bool bind = read_u32(fields) != 0;
  CHECK_FIELDS(init, fields);
  int main_fd CLEANUP_FD =
      (int)TRY(init, "openat2", "/dev/pts/ptmx",
               open_in_root(init, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS_));
  result terminal = open_terminal(init, main_fd);
  if (terminal < 0) return terminal;
  init->terminal_fd = (int)terminal;
  if (size.ws_row || size.ws_col) TRY(init, "ioctl", "TIOCSWINSZ", KERNEL(ioctl, terminal, TIOCSWINSZ, &size));
  if (bind) {
    int tree CLEANUP_FD = (int)TRY(init, "open_tree", "/dev/console",
                                   KERNEL(open_tree, terminal, "", AT_EMPTY_PATH | OPEN_TREE_CLONE_ | O_CLOEXEC));
    int target CLEANUP_FD = (int)TRY(init, "openat2", "/dev/console", open_target(init, "/dev/console", TARGET_FILE, true, true));
    result status = attach(init, tree, target, "/dev/console");
    if (status < 0) return status;
  }
  struct message message = {.kind = MESSAGE_TERMINAL, .index = init->failure.index};
  TRY(init, "sendmsg", "terminal", message_send(init->report_fd, &message, main_fd, -1));
  TRY(init, "ioctl", "TIOCSCTTY", KERNEL(ioctl, terminal, TIOCSCTTY, 0));
  for (int fd = 0; fd <= 2; fd++) TRY(init, "dup3", "terminal", KERNEL(dup3, terminal, fd, 0));
  return 0;
}
