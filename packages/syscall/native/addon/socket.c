/* Sockets and pipes: whole messages with descriptors, between the runtime and its helper. */
#include "addon.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The most that one message can carry (SCM_MAX_FD of the kernel). */
#define MAX_PASSED_FDS 253

/* socketpair(type): [fd, fd] | -errno */
static napi_value socket_pair(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int type = arg_int(&args, 0), fds[2];
  if (args_failed(&args)) return NULL;
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0) return number_value(env, -errno);
  return array_value(env, (int64_t[]){fds[0], fds[1]}, 2);
}

/* pipe(flags): [read end, write end] | -errno */
static napi_value make_pipe(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int flags = arg_int(&args, 0), fds[2];
  if (args_failed(&args)) return NULL;
  if (pipe2(fds, flags | O_CLOEXEC) < 0) return number_value(env, -errno);
  return array_value(env, (int64_t[]){fds[0], fds[1]}, 2);
}

/* The address of `name` in a directory: a socket's path may be longer than an address takes. Without a directory, a leading
 * "@" stands for the NUL of an abstract address, which ends where the name does.
 *
 * Returns the length of the address, 0 when it does not fit. */
static socklen_t fill_address(struct sockaddr_un *address, int directory_fd, const char *name) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  int length = directory_fd < 0
                   ? snprintf(address->sun_path, sizeof address->sun_path, "%s", name)
                   : snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", directory_fd, name);
  if (length <= 0 || (size_t)length >= sizeof address->sun_path) return 0;
  if (directory_fd >= 0 || name[0] != '@') return sizeof *address;
  address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
}

/* listenUnix(directoryFd, name, type): fd | -errno */
static napi_value listen_unix(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int directory_fd = arg_int(&args, 0), type = arg_int(&args, 2);
  char *name CLEANUP_FREE = arg_text(&args, 1);
  if (args_failed(&args)) return NULL;
  struct sockaddr_un address;
  socklen_t length = name ? fill_address(&address, directory_fd, name) : 0;
  if (length == 0) return number_value(env, -ENAMETOOLONG);
  int fd CLEANUP_FD = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0) return number_value(env, -errno);
  /* Datagrams come without a connection. */
  if (type != SOCK_DGRAM && listen(fd, 16) < 0) return number_value(env, -errno);
  int listener = fd;
  fd = -1;
  return number_value(env, listener);
}

/* connectUnix(directoryFd | -1, name, type): fd | -errno */
static napi_value connect_unix(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int directory_fd = arg_int(&args, 0), type = arg_int(&args, 2);
  char *name CLEANUP_FREE = arg_text(&args, 1);
  if (args_failed(&args)) return NULL;
  struct sockaddr_un address;
  socklen_t length = name ? fill_address(&address, directory_fd, name) : 0;
  if (length == 0) return number_value(env, -ENAMETOOLONG);
  int fd CLEANUP_FD = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0) return number_value(env, -errno);
  int connection = fd;
  fd = -1;
  return number_value(env, connection);
}

/* acceptUnix(listenerFd): fd | -errno */
static napi_value accept_unix(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int listener = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  return result_value(env, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

union control {
  struct cmsghdr header;
  char room[CMSG_SPACE(MAX_PASSED_FDS * sizeof(int))];
};

/* sendMessage(socket, bytes, fds): bytes sent | -errno */
static napi_value send_message(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int socket = arg_int(&args, 0);
  struct iovec vector;
  size_t fd_count = 0;
  vector.iov_base = arg_bytes(&args, 1, &vector.iov_len);
  int32_t *fds CLEANUP_FREE = arg_ints(&args, 2, &fd_count);
  if (args_failed(&args)) return NULL;
  if (fd_count > MAX_PASSED_FDS) return number_value(env, -E2BIG);
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  union control control = {0};
  if (fd_count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return result_value(env, sent);
}

static void collect_fds(struct msghdr *message, int64_t *fds, size_t *count) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t passed = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < passed && *count < MAX_PASSED_FDS; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      fds[(*count)++] = fd;
    }
  }
}

/* receiveMessage(socket, buffer, blocking): [length, fd…] with the bytes in `buffer`, length 0 at the end, | -errno */
static napi_value receive_message(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int socket = arg_int(&args, 0);
  struct iovec vector;
  vector.iov_base = arg_bytes(&args, 1, &vector.iov_len);
  bool blocking = arg_bool(&args, 2);
  if (args_failed(&args)) return NULL;
  union control control;
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length;
  do length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (blocking ? 0 : MSG_DONTWAIT));
  while (length < 0 && errno == EINTR);
  if (length < 0) return number_value(env, -errno);
  int64_t numbers[1 + MAX_PASSED_FDS] = {length};
  size_t count = 0;
  collect_fds(&message, numbers + 1, &count);
  return array_value(env, numbers, 1 + count);
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif

/* Since Linux 6.3 a host can want to be told which files in memory are programs (vm.memfd_noexec); before, EINVAL. */
static int create_memory_fd(const char *name, bool is_program) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int fd = memfd_create(name, flags | (is_program ? MFD_EXEC : MFD_NOEXEC_SEAL));
  return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;
}

/* createMemoryFile(name, bytes, isProgram): a sealed memfd, readable from its start, | -errno */
static napi_value create_memory_file(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  char *name CLEANUP_FREE = arg_text(&args, 0);
  size_t length = 0;
  uint8_t *bytes = arg_bytes(&args, 1, &length);
  bool is_program = arg_bool(&args, 2);
  if (args_failed(&args)) return NULL;
  int fd CLEANUP_FD = create_memory_fd(name ? name : "", is_program);
  if (fd < 0) return number_value(env, -errno);
  for (size_t done = 0; done < length;) {
    ssize_t wrote = write(fd, bytes + done, length - done);
    if (wrote < 0 && errno != EINTR) return number_value(env, -errno);
    if (wrote > 0) done += (size_t)wrote;
  }
  if (lseek(fd, 0, SEEK_SET) < 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
    return number_value(env, -errno);
  int sealed = fd;
  fd = -1;
  return number_value(env, sealed);
}

/* peerPid(socket): process id of the other side when it connected, | -errno */
static napi_value peer_pid(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int socket = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct ucred credentials = {0};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return number_value(env, -errno);
  return number_value(env, credentials.pid);
}

const struct export_entry socket_exports[] = {
    {"socketpair", socket_pair},
    {"pipe", make_pipe},
    {"listenUnix", listen_unix},
    {"connectUnix", connect_unix},
    {"acceptUnix", accept_unix},
    {"sendMessage", send_message},
    {"receiveMessage", receive_message},
    {"createMemoryFile", create_memory_file},
    {"peerPid", peer_pid},
    {0},
};
