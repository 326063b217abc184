#include "report.h"

#include <linux/socket.h>

/* From the C library's <sys/socket.h>, which the kernel's headers lack. */
struct io_vector {
  void *base;
  size_t length;
};
struct message_header {
  void *name;
  int name_length;
  struct io_vector *vectors;
  size_t vector_count;
  void *control;
  size_t control_length;
  unsigned flags;
};
struct control_header {
  size_t length;
  int level, type;
};
#define SOL_SOCKET_ 1
#define SCM_RIGHTS_ 1
#define MSG_NOSIGNAL_ 0x4000
#define MSG_CMSG_CLOEXEC_ 0x40000000

/* The most that one message can carry (SCM_MAX_FD of the kernel). */
#define MAX_PASSED_FDS 253

struct control {
  struct control_header header;
  int fds[MAX_PASSED_FDS];
};

result message_send(int socket, const struct message *message, int fd, int other_fd) {
  struct io_vector vector = {(void *)message, sizeof *message - sizeof message->text + text_length(message->text) + 1};
  struct control control;
  control.header = (struct control_header){.level = SOL_SOCKET_, .type = SCM_RIGHTS_};
  size_t count = 0;
  if (fd >= 0) control.fds[count++] = fd;
  if (other_fd >= 0) control.fds[count++] = other_fd;
  struct message_header header = {.vectors = &vector, .vector_count = 1};
  if (count > 0) {
    control.header.length = sizeof control.header + count * sizeof(int);
    header.control = &control;
    header.control_length = sizeof control.header + 2 * sizeof(int);
  }
  return KERNEL(sendmsg, socket, &header, MSG_NOSIGNAL_);
}

/* Receives one message of numbers; `*count` of the control's descriptors are ours then. -ECONNRESET when the other side is
 * gone. */
static result receive_words(int socket, uint32_t words[2], struct control *control, size_t *count) {
  struct io_vector vector = {words, 2 * sizeof *words};
  struct message_header header = {
      .vectors = &vector, .vector_count = 1, .control = control, .control_length = sizeof *control};
  *count = 0;
  result got;
  do got = KERNEL(recvmsg, socket, &header, MSG_CMSG_CLOEXEC_);
  while (got == -EINTR);
  if (got < 0) return got;
  if (header.control_length > sizeof control->header && control->header.type == SCM_RIGHTS_)
    *count = (control->header.length - sizeof control->header) / sizeof(int);
  return got < (result)sizeof *words ? -ECONNRESET : 0;
}

result message_await_plan(int socket, int first) {
  for (uint32_t taken = 0, wanted = 1; taken < wanted;) {
    uint32_t words[2] = {0};
    struct control control;
    size_t count;
    result status = receive_words(socket, words, &control, &count);
    if (status < 0) return status;
    if (words[0] != MESSAGE_PLAN || count == 0) return -EPROTO;
    wanted = words[1];
    for (size_t i = 0; i < count; i++)
      if (control.fds[i] != first + (int)taken++) return -EPROTO;
  }
  return 0;
}

result message_await_go(int socket, int *fd) {
  uint32_t words[2] = {0};
  struct control control;
  size_t count;
  result status = receive_words(socket, words, &control, &count);
  if (status == 0 && words[0] != MESSAGE_GO) status = -ECONNRESET;
  size_t kept = status == 0 && count > 0 ? 1 : 0;
  *fd = kept == 1 ? control.fds[0] : -1;
  for (size_t i = kept; i < count; i++) KERNEL(close, control.fds[i]);
  return status;
}
