/* The kernel's own share of what runlet does: the library's own system calls, made from C.
 *
 *   calls ID BUNDLE STATE_ROOT HELPER CLONE_FLAGS PLAN RECORD GROUP…
 *
 * For every line on standard input it runs one container, from reading its config to removing its state, and answers with the
 * nanoseconds that took. It makes the calls of a program that uses the library, in their order: the same files are read,
 * written and renamed, the same v1 control groups made (GROUP: their directories, in the order of the plan's descriptors),
 * the same helper started, handed the same PLAN and waited for. What the library has to compute for them it is given: the plan
 * and the RECORD are files. The one thing that is not the same is that the clone has no thread of its own. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GROUPS = 16, CONTROL = 3, MESSAGE_PLAN = 8, MESSAGE_GO = 7, STACK_BYTES = 64 << 10 };

struct content {
  char *start;
  size_t length;
};

static const char *id, *bundle, *state_root;
static char *const *groups;
static int group_count, helper_fd, epoll_fd;
static uint64_t clone_flags;
static struct content plan, record;
static char directory[512];

static long check(long result, const char *what) {
  if (result >= 0) return result;
  fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
  exit(125);
}

static struct content read_file(const char *path) {
  static char buffer[1 << 20];
  int fd = (int)check(open(path, O_RDONLY | O_CLOEXEC), path);
  size_t length = 0;
  ssize_t count;
  while ((count = read(fd, buffer + length, sizeof buffer - length)) > 0) length += (size_t)count;
  close(fd);
  struct content content = {malloc(length + 1), length};
  memcpy(content.start, buffer, length);
  content.start[length] = '\0';
  return content;
}

static const char *in(const char *parent, const char *name) {
  static char paths[4][600];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", parent, name);
  return path;
}

/* As Node reads a small file. */
static void look(const char *path, bool has_size) {
  char buffer[8192];
  struct stat found;
  int fd = (int)check(open(path, O_RDONLY | O_CLOEXEC), path);
  if (has_size) fstat(fd, &found), fstat(fd, &found);
  while (read(fd, buffer, sizeof buffer) > 0 && !has_size) continue;
  close(fd);
}

static void write_beside(const char *name) {
  char temporary[600];
  snprintf(temporary, sizeof temporary, "%s/.%s", directory, name);
  int fd = (int)check(open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), temporary);
  check(write(fd, record.start, record.length), temporary);
  close(fd);
  check(rename(temporary, in(directory, name)), temporary);
}

static int lock_directory(void) {
  struct stat found;
  int fd = (int)check(open(directory, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECTORY), directory);
  check(flock(fd, LOCK_EX | LOCK_NB), "flock");
  fstat(fd, &found);
  stat(directory, &found);
  return fd;
}

static void list(int fd) {
  char entries[4096];
  while (syscall(SYS_getdents64, fd, entries, sizeof entries) > 0) continue;
}

static void write_text(const char *path, const char *text) {
  int fd = (int)check(open(path, O_WRONLY | O_CLOEXEC), path);
  check(write(fd, text, strlen(text)), path);
  close(fd);
}

static void inherit(const char *group, const char *file) {
  char path[600], value[256];
  snprintf(path, sizeof path, "%.*s/%s", (int)(strrchr(group, '/') - group), group, file);
  int fd = (int)check(open(path, O_RDONLY | O_CLOEXEC), path);
  ssize_t length = read(fd, value, sizeof value - 1), end = read(fd, value + 255, 1);
  close(fd);
  value[length > 0 && end == 0 ? length : 0] = '\0';
  value[strcspn(value, "\n")] = '\0';
  write_text(in(group, file), value);
}

static bool is_of(const char *group, const char *controller) { return strstr(in(group, ""), controller) != NULL; }

static void make_groups(void) {
  static const char *const allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm",   "c 1:8 rwm",
                                        "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:200 rwm"};
  for (int i = 0; i < group_count; i++) {
    check(mkdir(groups[i], 0777), groups[i]);
    if (!is_of(groups[i], "/cpuset/")) continue;
    inherit(groups[i], "cpuset.cpus");
    inherit(groups[i], "cpuset.mems");
  }
  for (int i = 0; i < group_count; i++) {
    if (!is_of(groups[i], "/devices/")) continue;
    write_text(in(groups[i], "devices.deny"), "a *:* rwm");
    const char *path = in(groups[i], "devices.allow");
    int fd = (int)check(open(path, O_WRONLY | O_CLOEXEC), path);
    for (size_t rule = 0; rule < sizeof allowed / sizeof *allowed; rule++) check(write(fd, allowed[rule], strlen(allowed[rule])), path);
    close(fd);
  }
}

struct start {
  int null_fd, control_fd;
};

/* As the addon's become_helper(). */
static int become_helper(void *argument) {
  struct start *start = argument;
  int moved[CONTROL + 1], fds[] = {start->null_fd, start->null_fd, start->null_fd, start->control_fd};
  for (int i = 0; i <= CONTROL; i++) moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CONTROL + 1);
  int helper = fcntl(helper_fd, F_DUPFD_CLOEXEC, CONTROL + 1);
  for (int i = 0; i <= CONTROL; i++) dup2(moved[i], i);
  syscall(SYS_close_range, CONTROL + 1, ~0U, 1U << 2); /* CLOSE_RANGE_CLOEXEC */
  signal(SIGPIPE, SIG_DFL);
  char *arguments[] = {"runlet-init", "3", NULL}, *environment[] = {NULL};
  syscall(SYS_execveat, helper, "", arguments, environment, AT_EMPTY_PATH);
  _exit(127);
}

static pid_t start_helper(int null_fd, int control_fd, int *pidfd) {
  char *stack = aligned_alloc(16, STACK_BYTES);
  struct start start = {null_fd, control_fd};
  pid_t pid = (pid_t)check(clone(become_helper, stack + STACK_BYTES, (int)(clone_flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD), &start, pidfd), "clone");
  free(stack);
  return pid;
}

static void send_message(int fd, struct iovec *parts, int count, const int *fds, int fd_count) {
  char control[CMSG_SPACE(sizeof(int) * (GROUPS + 1))];
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
  if (fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count)};
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
  }
  check(sendmsg(fd, &message, MSG_NOSIGNAL), "sendmsg");
}

static void send_go(int fd) {
  uint32_t go = MESSAGE_GO;
  send_message(fd, &(struct iovec){&go, sizeof go}, 1, NULL, 0);
}

static void await(int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
  check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  while (epoll_wait(epoll_fd, &event, 1, -1) < 1) continue;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* The first word of the next message; 0 at the end of the connection. */
static uint32_t receive(int fd) {
  uint32_t words[300] = {0};
  ssize_t length;
  while ((length = recv(fd, words, sizeof words, MSG_DONTWAIT)) < 0 && errno == EAGAIN) await(fd);
  return length > 0 ? words[0] : 0;
}

static struct sockaddr_un start_address(int directory_fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/start.sock", directory_fd);
  return address;
}

/* Returns the pidfd. */
static int create(void) {
  struct stat found;
  char text[64];
  stat(bundle, &found);
  look(in(bundle, "config.json"), true);
  stat(in(bundle, "rootfs"), &found);
  access(in(state_root, "."), W_OK);
  int null_fd = (int)check(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
  check(mkdir(directory, 0700), directory);
  int lock = lock_directory();
  list(lock);
  int control[2], pidfd = -1;
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), "socketpair");
  pid_t pid = start_helper(null_fd, control[1], &pidfd);
  snprintf(text, sizeof text, "/proc/self/fd/%d", null_fd);
  char target[256];
  check(readlink(text, target, sizeof target), text);
  write_beside("intent.json");
  make_groups();
  int fds[GROUPS + 1];
  for (int i = 0; i < group_count; i++) fds[i] = (int)check(open(in(groups[i], "tasks"), O_WRONLY | O_CLOEXEC), groups[i]);
  int listener = (int)check(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_un address = start_address(lock);
  check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
  check(listen(listener, 16), "listen");
  fds[group_count] = listener;
  uint32_t head[] = {MESSAGE_PLAN, (uint32_t)group_count + 1, (uint32_t)plan.length};
  send_message(control[0], (struct iovec[]){{head, sizeof head}, {plan.start, plan.length}}, 2, fds, group_count + 1);
  snprintf(text, sizeof text, "/proc/%d/stat", pid);
  look(text, false);
  write_beside("state.json");
  stat(in(directory, "state.json"), &found);
  send_go(control[0]);
  for (int i = 0; i <= group_count; i++) close(fds[i]);
  close(control[1]);
  if (receive(control[0]) != 4 /* CREATED */) check((errno = EPROTO, -1), "the helper");
  close(control[0]);
  close(null_fd);
  check(unlink(in(directory, "intent.json")), "intent.json");
  close(lock);
  return pidfd;
}

static const char *group_of(const char *controller) {
  for (int i = 0; i < group_count; i++)
    if (is_of(groups[i], controller)) return groups[i];
  return groups[0];
}

static void start(void) {
  struct stat found;
  int lock = lock_directory();
  stat(in(directory, "state.json"), &found);
  look(in(group_of("/freezer/"), "freezer.state"), false);
  int connection = (int)check(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_un address = start_address(lock);
  check(connect(connection, (struct sockaddr *)&address, sizeof address), "connect");
  send_go(connection);
  if (receive(connection) != 0) check((errno = EPROTO, -1), "the start");
  check(unlink(in(directory, "start.sock")), "start.sock");
  close(connection);
  close(lock);
}

static void wait_for(int pidfd) {
  struct stat found;
  struct rusage usage;
  siginfo_t end = {0};
  for (;;) {
    check(syscall(SYS_waitid, 3 /* P_PIDFD */, pidfd, &end, WEXITED | WNOHANG, &usage), "waitid");
    if (end.si_pid != 0) break;
    await(pidfd);
  }
  if (end.si_code != CLD_EXITED || end.si_status != 0) check((errno = ECHILD, -1), "the container");
  stat(group_of("/memory/"), &found);
  look(in(group_of("/memory/"), "memory.oom_control"), false);
}

static void delete(int pidfd) {
  struct stat found;
  int lock = lock_directory();
  stat(in(directory, "state.json"), &found);
  for (int i = 0; i < group_count; i++)
    while (rmdir(groups[i]) < 0 && errno == EBUSY) usleep(100);
  list(lock);
  check(unlink(in(directory, "state.json")), "state.json");
  check(rmdir(directory), directory);
  close(lock);
  close(pidfd);
}

int main(int count, char **words) {
  if (count < 9 || count - 8 > GROUPS) {
    fputs("usage: calls ID BUNDLE STATE_ROOT HELPER CLONE_FLAGS PLAN RECORD GROUP...\n", stderr);
    return 125;
  }
  id = words[1];
  bundle = words[2];
  state_root = words[3];
  struct content helper = read_file(words[4]);
  helper_fd = (int)check(memfd_create("runlet-init", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
  check(write(helper_fd, helper.start, helper.length), "memfd");
  check(fcntl(helper_fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), "F_ADD_SEALS");
  clone_flags = strtoull(words[5], NULL, 10);
  plan = read_file(words[6]);
  record = read_file(words[7]);
  groups = words + 8;
  group_count = count - 8;
  epoll_fd = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  snprintf(directory, sizeof directory, "%s/%s", state_root, id);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int pidfd = create();
    start();
    wait_for(pidfd);
    delete(pidfd);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%lld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec));
    fflush(stdout);
  }
  return 0;
}
