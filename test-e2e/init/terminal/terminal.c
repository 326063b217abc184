/* A person at a terminal, for tests:
 *
 *   terminal run ROWS COLUMNS PROGRAM [ARGUMENT...]   runs the program on a new pseudo-terminal, its controlling one
 *   terminal receive SOCKET                          listens at SOCKET, takes one pseudo-terminal's main end (SCM_RIGHTS)
 *
 * What arrives on standard input is typed, what the terminal shows goes to standard output. A line "ROWS COLUMNS" on
 * descriptor 3, where it is open, resizes. `run` ends with the program's status, 128+n by signal n; `receive` when the
 * terminal is hung up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Descriptor 3 when the caller gave one, else -1: found before anything of ours takes the number. */
static int resize_fd = -1;

static void fail(const char *what) {
  perror(what);
  exit(125);
}

static void write_all(int fd, const char *bytes, ssize_t length) {
  for (ssize_t written = 0; written < length;) {
    ssize_t count = write(fd, bytes + written, (size_t)(length - written));
    if (count < 0 && errno != EINTR) return;
    if (count > 0) written += count;
  }
}

static void relay(int main_fd) {
  struct pollfd polled[3] = {{.fd = main_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = resize_fd, .events = POLLIN}};
  char bytes[4096];
  for (;;) {
    if (poll(polled, 3, -1) < 0) continue;
    if (polled[0].revents != 0) {
      ssize_t count = read(main_fd, bytes, sizeof bytes);
      if (count <= 0 && errno != EINTR) return;
      write_all(STDOUT_FILENO, bytes, count);
    }
    if (polled[1].revents != 0) {
      ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
      if (count <= 0) polled[1].fd = -1;
      else write_all(main_fd, bytes, count);
    }
    if (polled[2].fd >= 0 && polled[2].revents != 0) {
      struct winsize size = {0};
      ssize_t count = read(resize_fd, bytes, sizeof bytes - 1);
      if (count <= 0) {
        polled[2].fd = -1;
        continue;
      }
      bytes[count] = '\0';
      if (sscanf(bytes, "%hu %hu", &size.ws_row, &size.ws_col) == 2) ioctl(main_fd, TIOCSWINSZ, &size);
    }
  }
}

static int run(char **arguments) {
  struct winsize size = {.ws_row = (unsigned short)atoi(arguments[0]), .ws_col = (unsigned short)atoi(arguments[1])};
  int main_fd;
  pid_t child = forkpty(&main_fd, NULL, NULL, &size);
  if (child < 0) fail("forkpty");
  if (child == 0) {
    if (resize_fd >= 0) close(resize_fd);
    execvp(arguments[2], arguments + 2);
    fail(arguments[2]);
  }
  relay(main_fd);
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int receive(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("path of the socket is too long");
  memcpy(address.sun_path, path, strlen(path));
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0) fail(path);
  int connection = accept(listener, NULL, NULL);
  if (connection < 0) fail("accept");
  char name[256], control[CMSG_SPACE(sizeof(int))];
  struct iovec buffer = {.iov_base = name, .iov_len = sizeof name};
  struct msghdr message = {.msg_iov = &buffer, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) < 0) fail("recvmsg");
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
    fputs("terminal: the message carries no descriptor\n", stderr);
    return 125;
  }
  int main_fd;
  memcpy(&main_fd, CMSG_DATA(header), sizeof main_fd);
  relay(main_fd);
  return 0;
}

int main(int argc, char **argv) {
  if (fcntl(3, F_GETFD) >= 0) resize_fd = 3;
  if (argc >= 5 && strcmp(argv[1], "run") == 0) return run(argv + 2);
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive(argv[2]);
  fputs("usage: terminal run ROWS COLUMNS PROGRAM [ARGUMENT...] | terminal receive SOCKET\n", stderr);
  return 125;
}
