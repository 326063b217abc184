/* What listens on listenerPath: takes the notifications of one seccomp filter and answers them.
 *
 *   agent SOCKET [NUMBER=ERRNO]...
 *
 * Prints the message that came with the listener's descriptor, then the number of each system call that it is notified
 * of, one a line. A call of a number that is given fails with that errno, the others go on. Ends with the last process
 * that the filter holds for. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0) fail(path);
  return fd;
}

/* Prints the message on one line, and returns the descriptor that came with it. */
static int receive_listener(int connection) {
  char text[1 << 16];
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec vector = {text, sizeof text};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  if (length <= 0) fail("recvmsg");
  int listener = -1;
  if (CMSG_FIRSTHDR(&message) != NULL) memcpy(&listener, CMSG_DATA(&control.header), sizeof listener);
  /* Some keep the connection open, so its end is not waited for. Line breaks of JSON mean nothing. */
  for (ssize_t i = 0; i < length; i++) putchar(text[i] == '\n' ? ' ' : text[i]);
  printf("\n");
  return listener;
}

static int errno_of(int number, int count, char **rules) {
  for (int i = 0; i < count; i++) {
    if (atoi(rules[i]) == number && strchr(rules[i], '=') != NULL) return atoi(strchr(rules[i], '=') + 1);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 125;
  setvbuf(stdout, NULL, _IONBF, 0);
  int server = listen_at(argv[1]);
  printf("listening\n");
  int connection = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0) fail("accept4");
  int listener = receive_listener(connection);
  for (;;) {
    struct pollfd entry = {.fd = listener, .events = POLLIN};
    if (poll(&entry, 1, -1) < 0) fail("poll");
    if ((entry.revents & POLLIN) == 0) return 0;
    struct seccomp_notif notification = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) < 0) {
      /* It ended while we came. */
      if (errno == ENOENT || errno == EINTR) continue;
      fail("SECCOMP_IOCTL_NOTIF_RECV");
    }
    printf("%d\n", notification.data.nr);
    int error = errno_of(notification.data.nr, argc - 2, argv + 2);
    struct seccomp_notif_resp answer = {
        .id = notification.id, .error = -error, .flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT) fail("SECCOMP_IOCTL_NOTIF_SEND");
  }
}
