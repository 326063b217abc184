/* The kernel's own share of a container's life in process: the system calls that the library makes, with nothing between
 * them.
 *
 *   bare HELPER PLAN RECORD BUNDLE ROOT ID GROUP...
 *
 * For every line on standard input it runs one container of BUNDLE, from looking at its config to removing its state, and
 * answers with the nanoseconds that took. Those calls are the library's own, in its order: the state directory below ROOT, its
 * lock and the record, a v1 control group in each hierarchy (GROUP...), the start of the same helper with the same encoded plan
 * (a file), the start socket, the waits. What is left out is what Node does for itself: its memory, its threads, and the
 * epoll of its loop, in whose place stands poll(2). `bench/test/kernel-share.root.test.ts` compares the two. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "rounds.h"

#define GROUPS 16
#define FIRST_SLOT 4
#define MESSAGE_CREATED 4
#define MESSAGE_GO 7
#define MESSAGE_PLAN 8

struct file {
  char *bytes;
  size_t length;
};

static struct file plan, record;
static int helper_fd, group_count;
static const char *id, *groups[GROUPS];
static char config[512], rootfs[512], state[512];

static long must(long result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    _exit(125);
  }
  return result;
}

static void path_of(char *path, size_t size, const char *directory, const char *name) {
  if ((size_t)snprintf(path, size, "%s/%s", directory, name) >= size) must((errno = ENAMETOOLONG, -1), directory);
}

static struct file read_whole(const char *path) {
  int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), path);
  struct stat found;
  must(fstat(fd, &found), path);
  struct file file = {malloc((size_t)found.st_size), (size_t)found.st_size};
  if (file.bytes == NULL || read(fd, file.bytes, file.length) != (ssize_t)file.length) must(-1, path);
  close(fd);
  return file;
}

static int seal_helper(const char *path) {
  struct file program = read_whole(path);
  int fd = (int)must(memfd_create("runlet-init", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
  if (write(fd, program.bytes, program.length) != (ssize_t)program.length) must(-1, "memfd");
  must(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), "seals");
  free(program.bytes);
  return fd;
}

static void look_at(const char *path) {
  struct stat found;
  must(syscall(SYS_newfstatat, AT_FDCWD, path, &found, 0), path);
}

static void look_at_fd(int fd) {
  struct stat found;
  must(syscall(SYS_newfstatat, fd, "", &found, AT_EMPTY_PATH), "fstat");
}

/* To the end of the file, which takes a read of nothing. */
static size_t read_text(const char *path, char *text, size_t size) {
  int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), path);
  size_t length = 0;
  ssize_t count;
  while ((count = must(read(fd, text + length, size - length), path)) > 0) length += (size_t)count;
  close(fd);
  return length;
}

static void write_text(const char *path, const char *text, size_t length) {
  int fd = (int)must(open(path, O_WRONLY | O_CLOEXEC), path);
  must(write(fd, text, length), path);
  close(fd);
}

/* What the library does for a config that it has read before. */
static void look_at_config(void) {
  look_at(config);
  look_at(rootfs);
  geteuid();
  geteuid();
}

static int lock_state(void) {
  int fd = (int)must(open(state, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECTORY), state);
  must(flock(fd, LOCK_EX | LOCK_NB), state);
  look_at_fd(fd);
  look_at(state);
  return fd;
}

static void list_state(int fd) {
  static char entries[32 << 10];
  while (must(syscall(SYS_getdents64, fd, entries, sizeof entries), state) > 0) continue;
}

static void put_record(const char *temporary_name, const char *name) {
  char temporary[600], path[600];
  path_of(temporary, sizeof temporary, state, temporary_name);
  path_of(path, sizeof path, state, name);
  int fd = (int)must(open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), temporary);
  must(write(fd, record.bytes, record.length), temporary);
  must(rename(temporary, path), path);
  close(fd);
}

static void remove_from_state(const char *name) {
  char path[600];
  path_of(path, sizeof path, state, name);
  must(unlink(path), path);
}

/* A group of cpuset starts with no cpus and no nodes: it takes its parent's before a process may enter. */
static void inherit(const char *group, const char *file) {
  char path[600], value[256], parent[512];
  strcpy(parent, group);
  *strrchr(parent, '/') = '\0';
  path_of(path, sizeof path, parent, file);
  size_t length = read_text(path, value, sizeof value);
  path_of(path, sizeof path, group, file);
  write_text(path, value, length > 0 && value[length - 1] == '\n' ? length - 1 : length);
}

static void allow_devices(const char *group) {
  static const char *const allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm",   "c 1:8 rwm",
                                        "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:200 rwm"};
  char path[600];
  path_of(path, sizeof path, group, "devices.deny");
  write_text(path, "a *:* rwm", 9);
  path_of(path, sizeof path, group, "devices.allow");
  int fd = (int)must(open(path, O_WRONLY | O_CLOEXEC), path);
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) must(write(fd, allowed[i], strlen(allowed[i])), path);
  close(fd);
}

/* Whether a group is one of a hierarchy: the path of its mount ends in the controller's name, as the library's do. */
static int is_of(const char *group, const char *controller) {
  const char *found = strstr(group, controller);
  return found != NULL && found[-1] == '/' && found[strlen(controller)] == '/';
}

static void make_groups(void) {
  for (int i = 0; i < group_count; i++) must(mkdir(groups[i], 0777), groups[i]);
  for (int i = 0; i < group_count; i++) {
    if (!is_of(groups[i], "cpuset")) continue;
    inherit(groups[i], "cpuset.cpus");
    inherit(groups[i], "cpuset.mems");
  }
  for (int i = 0; i < group_count; i++)
    if (is_of(groups[i], "devices")) allow_devices(groups[i]);
}

struct start {
  int null_fd, control_fd;
};
static char stack[16 << 10] __attribute__((aligned(16)));

static int become_helper(void *argument) {
  struct start *start = argument;
  static char *const arguments[] = {"runlet-init", "3", NULL}, *const environment[] = {NULL};
  int moved[FIRST_SLOT];
  for (int i = 0; i < FIRST_SLOT; i++)
    moved[i] = fcntl(i < FIRST_SLOT - 1 ? start->null_fd : start->control_fd, F_DUPFD_CLOEXEC, FIRST_SLOT);
  int helper = fcntl(helper_fd, F_DUPFD_CLOEXEC, FIRST_SLOT);
  for (int i = 0; i < FIRST_SLOT; i++) dup3(moved[i], i, 0);
  syscall(SYS_close_range, FIRST_SLOT, ~0U, 1U << 2); /* CLOSE_RANGE_CLOEXEC */
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  syscall(SYS_execveat, helper, "", arguments, environment, AT_EMPTY_PATH);
  _exit(127);
}

static int start_helper(struct start *start, int *pidfd) {
  const int flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  int pid = clone(become_helper, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | flags | SIGCHLD, start, pidfd);
  must(pid, "clone");
  sigprocmask(SIG_SETMASK, &before, NULL);
  return pid;
}

static struct sockaddr_un start_address(int state_fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/start.sock", state_fd);
  return address;
}

static void send_plan(int control_fd, const int *fds, uint32_t count) {
  uint32_t head[] = {MESSAGE_PLAN, count, (uint32_t)plan.length};
  struct iovec parts[] = {{head, sizeof head}, {plan.bytes, plan.length}};
  char control[CMSG_SPACE(sizeof(int) * (GROUPS + 1))];
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * count), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  must(sendmsg(control_fd, &message, MSG_NOSIGNAL), "the plan");
}

static void send_go(int fd) {
  uint32_t go = MESSAGE_GO;
  struct iovec part = {&go, sizeof go};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  must(sendmsg(fd, &message, MSG_NOSIGNAL), "go");
}

static void wait_for(int fd) {
  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  must(poll(&wanted, 1, 10000) == 1 ? 0 : -1, "poll");
}

/* A first look, which finds nothing, and a second one. Returns the message's kind, 0 for the end of the connection. */
static uint32_t await_message(int fd) {
  static char bytes[2048];
  struct iovec part = {bytes, sizeof bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    wait_for(fd);
    length = must(recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), "recvmsg");
  }
  uint32_t kind = 0;
  if (length > 0) memcpy(&kind, bytes, sizeof kind);
  if (kind == 1) fprintf(stderr, "bare: the helper failed: %s\n", bytes + 16);
  return kind;
}

static void read_process_status(int pid) {
  char path[64], text[8192];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC), path);
  must(read(fd, text, sizeof text), path);
  close(fd);
}

static void create(int *pidfd) {
  look_at_config();
  struct start start = {.null_fd = (int)must(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null")};
  must(mkdir(state, 0700), state);
  int state_fd = lock_state(), control[2], fds[GROUPS + 1];
  list_state(state_fd);
  must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), "socketpair");
  start.control_fd = control[1];
  int pid = start_helper(&start, pidfd);
  close(control[1]);
  geteuid();
  put_record(".intent.json", "intent.json");
  make_groups();
  for (int i = 0; i < group_count; i++) {
    char path[600];
    path_of(path, sizeof path, groups[i], "tasks");
    fds[i] = (int)must(open(path, O_WRONLY | O_CLOEXEC), path);
  }
  int listener = fds[group_count] = (int)must(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_un address = start_address(state_fd);
  must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
  must(listen(listener, 16), "listen");
  send_plan(control[0], fds, (uint32_t)group_count + 1);
  read_process_status(pid);
  put_record(".state.json", "state.json");
  char path[600];
  path_of(path, sizeof path, state, "state.json");
  look_at(path);
  send_go(control[0]);
  close(listener);
  for (int i = 0; i < group_count; i++) close(fds[i]);
  if (await_message(control[0]) != MESSAGE_CREATED) must((errno = EPROTO, -1), "the helper");
  close(control[0]);
  close(start.null_fd);
  remove_from_state("intent.json");
  close(state_fd);
}

static void start_process(void) {
  int state_fd = lock_state(), connection = -1;
  char path[600], text[256];
  path_of(path, sizeof path, state, "state.json");
  look_at(path);
  for (int i = 0; i < group_count; i++) {
    if (!is_of(groups[i], "freezer")) continue;
    path_of(path, sizeof path, groups[i], "freezer.state");
    read_text(path, text, sizeof text);
  }
  connection = (int)must(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_un address = start_address(state_fd);
  must(connect(connection, (struct sockaddr *)&address, sizeof address), "connect");
  send_go(connection);
  if (await_message(connection) != 0) must((errno = EPROTO, -1), "the start");
  remove_from_state("start.sock");
  close(connection);
  close(state_fd);
}

static void await_end(int pidfd) {
  siginfo_t information = {0};
  struct rusage usage;
  const int p_pidfd = 3;
  must(syscall(SYS_waitid, p_pidfd, pidfd, &information, WEXITED | WNOHANG, &usage), "waitid");
  if (information.si_pid == 0) {
    wait_for(pidfd);
    must(syscall(SYS_waitid, p_pidfd, pidfd, &information, WEXITED | WNOHANG, &usage), "waitid");
  }
  if (information.si_code != CLD_EXITED || information.si_status != 0) must((errno = ECHILD, -1), "the container");
  for (int i = 0; i < group_count; i++) {
    char path[600], text[256];
    if (!is_of(groups[i], "memory")) continue;
    look_at(groups[i]);
    path_of(path, sizeof path, groups[i], "memory.oom_control");
    read_text(path, text, sizeof text);
  }
}

static void remove_all(int pidfd) {
  int state_fd = lock_state();
  char path[600];
  path_of(path, sizeof path, state, "state.json");
  look_at(path);
  for (int i = 0; i < group_count; i++)
    while (rmdir(groups[i]) < 0) must(errno == EBUSY ? usleep(100) : -1, groups[i]);
  list_state(state_fd);
  remove_from_state("state.json");
  must(rmdir(state), state);
  close(state_fd);
  close(pidfd);
}

static void run(void) {
  int pidfd = -1;
  create(&pidfd);
  start_process();
  await_end(pidfd);
  remove_all(pidfd);
}

int main(int argc, char **argv) {
  if (argc < 8 || argc > 7 + GROUPS) {
    fputs("usage: bare HELPER PLAN RECORD BUNDLE ROOT ID GROUP...\n", stderr);
    return 125;
  }
  helper_fd = seal_helper(argv[1]);
  plan = read_whole(argv[2]);
  record = read_whole(argv[3]);
  id = argv[6];
  path_of(config, sizeof config, argv[4], "config.json");
  path_of(rootfs, sizeof rootfs, argv[4], "rootfs");
  path_of(state, sizeof state, argv[5], id);
  for (int i = 7; i < argc; i++) groups[group_count++] = argv[i];
  answer_rounds(run);
  return 0;
}
