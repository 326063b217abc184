/* The last steps: where the process stands, what it executes, and the wait for the start. */
#include "init.h"


#define SOCK_CLOEXEC_ 02000000
#define POLLIN_ 1
#define SIG_BLOCK_ 0
#define SIG_UNBLOCK_ 1
#define SIGNAL_SET_BYTES 8
#define SFD_CLOEXEC_ 02000000
#define AT_EACCESS_ 0x200

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

result make_directory(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  CHECK_FIELDS(init, fields);
  int fd CLEANUP_FD = (int)TRY(init, "mkdirat", path, open_target(init, path, TARGET_DIRECTORY, true, false));
  return 0;
}

/* CVE-2024-21626: through the root's descriptor and without magic links, so that no descriptor of the host's can be a
 * working directory; and looked at once more from where it stands. */
static result change_directory(struct init *init, const char *path, bool create) {
  char seen[4096];
  int fd CLEANUP_FD = (int)open_target(init, path, TARGET_DIRECTORY, create, false);
  TRY(init, "chdir", path, fd);
  TRY(init, "chdir", path, KERNEL(fchdir, fd));
  TRY(init, "getcwd", path, KERNEL(getcwd, seen, sizeof seen));
  return seen[0] == '/' ? 0 : fail(init, -ENOENT, "getcwd", "the working directory is outside of the container");
}

/* Twice in a plan: a directory may be open to root alone, or to the container's user alone (FUSE, NFS). */
result set_working_directory(struct init *init, struct cursor *fields) {
  const char *path = read_text(fields);
  bool create = read_u32(fields) != 0, may_fail = read_u32(fields) != 0;
  CHECK_FIELDS(init, fields);
  if (init->has_working_directory) return 0;
  result status = change_directory(init, path, create);
  if (may_fail && (status == -EACCES || status == -EPERM)) return 0;
  init->has_working_directory = true;
  return status;
}

static result check_executable(const char *path) {
  struct statx status = {0};
  result found = KERNEL(statx, AT_FDCWD, path, 0, STATX_TYPE, &status);
  if (found < 0) return found;
  if ((status.stx_mode & S_IFMT) != S_IFREG) return -EACCES;
  return KERNEL(faccessat2, AT_FDCWD, path, 1 /* X_OK */, AT_EACCESS_);
}

static bool has_slash(const char *name) {
  while (*name != '\0' && *name != '/') name++;
  return *name == '/';
}

/* Copies the directory at `search` and "/name"; returns what follows the colon, or NULL behind the last. */
static const char *take_candidate(const char *search, const char *name, char *candidate, size_t size) {
  size_t length = 0;
  while (search[length] != '\0' && search[length] != ':') length++;
  candidate[0] = '\0';
  if (length + text_length(name) + 2 <= size) {
    memcpy(candidate, search, length);
    candidate[length] = '\0';
    text_append(candidate, size, length == 0 ? "./" : candidate[length - 1] == '/' ? "" : "/");
    text_append(candidate, size, name);
  }
  return search[length] == ':' ? search + length + 1 : NULL;
}

result find_executable(struct init *init, struct cursor *fields) {
  const char *name = read_text(fields), *search = read_optional_text(fields);
  CHECK_FIELDS(init, fields);
  if (has_slash(name)) {
    TRY(init, "find", name, check_executable(name));
    if (text_length(name) >= sizeof init->executable) return fail(init, -ENAMETOOLONG, "find", name);
    init->executable[0] = '\0';
    text_append(init->executable, sizeof init->executable, name);
    return 0;
  }
  result status = -ENOENT;
  if (*name == '\0') return fail(init, status, "find", name);
  for (const char *rest = search ? search : default_path; rest;) {
    rest = take_candidate(rest, name, init->executable, sizeof init->executable);
    result found = init->executable[0] == '\0' ? -ENOENT : check_executable(init->executable);
    if (found == 0) return 0;
    if (found == -EACCES) status = found;
  }
  return fail(init, status, "find", name);
}

/* `name:password:uid:gid:gecos:home:shell`, passwd(5). Returns whether the line is the user's; its home is then kept. */
static bool take_home(struct init *init, const char *line, uint32_t uid) {
  const char *fields[7] = {line};
  size_t count = 1;
  for (const char *at = line; *at != '\0' && count < 7; at++)
    if (*at == ':') fields[count++] = at + 1;
  if (count < 6) return false;
  uint64_t number = 0;
  const char *digit = fields[2];
  for (; *digit >= '0' && *digit <= '9' && number <= UINT32_MAX; digit++) number = number * 10 + (uint64_t)(*digit - '0');
  if (digit == fields[2] || *digit != ':' || number != uid) return false;
  size_t length = 0;
  while (fields[5][length] != '\0' && fields[5][length] != ':') length++;
  if (length == 0 || length + 6 > sizeof init->home) return false;
  memcpy(init->home + 5, fields[5], length);
  init->home[5 + length] = '\0';
  return true;
}

result look_up_home(struct init *init, struct cursor *fields) {
  uint32_t uid = read_u32(fields);
  CHECK_FIELDS(init, fields);
  init->home[0] = '\0';
  text_append(init->home, sizeof init->home, "HOME=/");
  int fd CLEANUP_FD = (int)open_in_root(init, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  struct statx status = {0};
  if (fd < 0 || KERNEL(statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) < 0 || (status.stx_mode & S_IFMT) != S_IFREG)
    return 0;
  char buffer[4096];
  size_t filled = 0;
  for (size_t total = 0; total < 1 << 20;) {
    result got = KERNEL(read, fd, buffer + filled, sizeof buffer - 1 - filled);
    if (got <= 0) break;
    total += (size_t)got;
    filled += (size_t)got;
    buffer[filled] = '\0';
    char *line = buffer;
    for (char *at = buffer; *at != '\0'; at++) {
      if (*at != '\n') continue;
      *at = '\0';
      if (take_home(init, line, uid)) return 0;
      line = at + 1;
    }
    filled = (size_t)(buffer + filled - line);
    memmove(buffer, line, filled);
    if (filled == sizeof buffer - 1) filled = 0;
  }
  buffer[filled] = '\0';
  take_home(init, buffer, uid);
  return 0;
}

struct poll_entry {
  int fd;
  short events, returned;
};

/* Signals that end a created container as they would end any process; PID 1 would not be given them otherwise. */
static const uint64_t ending_signals = 1ull << 0 | 1ull << 1 | 1ull << 2 | 1ull << 14; /* HUP, INT, QUIT, TERM */

static result await_connection(struct init *init, int listener, int signals) {
  struct poll_entry entries[2] = {{.fd = listener, .events = POLLIN_}, {.fd = signals, .events = POLLIN_}};
  for (;;) {
    result ready = KERNEL(ppoll, entries, 2, 0, 0, 0);
    if (ready == -EINTR) continue;
    TRY(init, "ppoll", NULL, ready);
    if (entries[1].returned) {
      uint32_t information[32] = {0};
      KERNEL(read, signals, information, sizeof information);
      for (;;) KERNEL(exit_group, 128 + information[0]);
    }
    int connection CLEANUP_FD = (int)KERNEL(accept4, listener, 0, 0, SOCK_CLOEXEC_);
    /* Whoever connects and goes away without GO has only looked whether we are here. */
    int state_fd = -1;
    if (connection < 0 || message_await_go(connection, &state_fd) < 0) continue;
    fd_close(&init->state_fd);
    init->state_fd = state_fd;
    init->report_fd = connection;
    connection = -1;
    return 0;
  }
}

result await_start(struct init *init, struct cursor *fields) {
  int listener CLEANUP_FD = (int)read_u32(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "rt_sigprocmask", NULL, KERNEL(rt_sigprocmask, SIG_BLOCK_, &ending_signals, 0, SIGNAL_SET_BYTES));
  int signals CLEANUP_FD =
      (int)TRY(init, "signalfd4", NULL, KERNEL(signalfd4, -1, &ending_signals, SIGNAL_SET_BYTES, SFD_CLOEXEC_));
  struct message created = {.kind = MESSAGE_CREATED, .index = init->failure.index};
  TRY(init, "sendmsg", NULL, message_send(init->report_fd, &created, -1, -1));
  /* Whoever creates has recorded us by now, or is gone: nobody would find us then. */
  int none = -1;
  TRY(init, "recvmsg", NULL, message_await_go(init->report_fd, &none));
  fd_close(&none);
  fd_close(&init->report_fd);
  fd_close(&init->proc_fd);
  fd_close(&init->null_fd);
  fd_close(&init->empty_fd);
  fd_close(&init->device_dir_fd);
  init->proc_fd = init->null_fd = init->empty_fd = init->device_dir_fd = init->report_fd = -1;
  result status = await_connection(init, listener, signals);
  if (status < 0) return status;
  TRY(init, "rt_sigprocmask", NULL, KERNEL(rt_sigprocmask, SIG_UNBLOCK_, &ending_signals, 0, SIGNAL_SET_BYTES));
  return 0;
}

result read_texts(struct init *init, struct cursor *fields, const char **texts, size_t room, const char *extra) {
  uint32_t count = read_count(fields, 5);
  if (count + 2 > room) return fail(init, -E2BIG, "plan", NULL);
  for (uint32_t i = 0; i < count; i++) texts[i] = read_text(fields);
  if (extra) texts[count++] = extra;
  texts[count] = NULL;
  return count + 1;
}

result exec_process(struct init *init, struct cursor *fields) {
  uint32_t preserved = read_u32(fields);
  size_t room = init->pointer_room;
  result used = TRY(init, "plan", NULL, read_texts(init, fields, init->pointers, room, NULL));
  const char **environment = init->pointers + used;
  TRY(init, "plan", NULL, read_texts(init, fields, environment, room - (size_t)used, init->home[0] ? init->home : NULL));
  CHECK_FIELDS(init, fields);
  /* The report's descriptor is among those that execve closes: its end says that execve has taken place. */
  TRY(init, "close_range", NULL, KERNEL(close_range, 3 + preserved, ~0u, CLOSE_RANGE_CLOEXEC_));
  TRY(init, "execve", init->executable, KERNEL(execve, init->executable, init->pointers, environment));
  return 0;
}
