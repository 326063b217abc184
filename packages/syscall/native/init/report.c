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

/* Receives one message of at least a word; `*count` of the control's descriptors are ours then. Returns its length.
 * -ECONNRESET when the other side is gone. */
static result receive(int socket, struct io_vector vector, struct control *control, size_t *count) {
  struct message_header header = {
      .vectors = &vector, .vector_count = 1, .control = control, .control_length = sizeof *control};
  *count = 0;
  result got;
  do got = KERNEL(recvmsg, socket, &header, MSG_CMSG_CLOEXEC_);
  while (got == -EINTR);
  if (got < 0) return got;
  if (header.control_length > sizeof control->header && control->header.type == SCM_RIGHTS_)
    *count = (control->header.length - sizeof control->header) / sizeof(int);
  return got < (result)sizeof(uint32_t) ? -ECONNRESET : got;
}

/* Receives one message of a plan; its descriptors have the numbers from `first + *taken` on. */
static result receive_plan(int socket, struct io_vector vector, int first, uint32_t *taken) {
  struct control control;
  size_t count;
  result got = receive(socket, vector, &control, &count);
  if (got < 0) return got;
  const struct plan_head *head = vector.base;
  if (head->kind != MESSAGE_PLAN || (size_t)got < sizeof *head || (*taken > 0 && count == 0)) return -EPROTO;
  for (size_t i = 0; i < count; i++)
    if (control.fds[i] != first + (int)(*taken)++) return -EPROTO;
  return got;
}

result message_await_plan(int socket, int first, struct plan_message *plan) {
  uint32_t taken = 0;
  result got = receive_plan(socket, (struct io_vector){plan, sizeof *plan}, first, &taken);
  if (got < 0) return got;
  if ((size_t)got != sizeof plan->head + plan->head.length || (plan->head.length == 0 && taken == 0)) return -EPROTO;
  while (taken < plan->head.fd_count) {
    struct plan_head more;
    got = receive_plan(socket, (struct io_vector){&more, sizeof more}, first, &taken);
    if (got < 0) return got;
  }
  return 0;
}

result message_await_go(int socket, int *fd) {
  uint32_t words[2] = {0};
  struct control control;
  size_t count;
  result got = receive(socket, (struct io_vector){words, sizeof words}, &control, &count);
  result status = got < 0 ? got : words[0] != MESSAGE_GO ? -ECONNRESET : 0;
  size_t kept = status == 0 && count > 0 ? 1 : 0;
  *fd = kept == 1 ? control.fds[0] : -1;
  for (size_t i = kept; i < count; i++) KERNEL(close, control.fds[i]);
  return status;
}
