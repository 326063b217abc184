/* What the helper and the runtime say to each other, over a socket of whole messages (SOCK_SEQPACKET).
 *
 *   runtime                         helper
 *      | -- PLAN bytes, fds… --------> |   the plan, and what its slots name; one that is too long for a message is a sealed
 *      |                               |   memfd behind them
 *      | <------------- PAUSE index -- |   an operation of the runtime's own is next
 *      | -- GO ----------------------> |   ... has been done
 *      | <------------- FORKED pid --- |   the rest happens in a child; the sender ends
 *      | -- GO ----------------------> |
 *      | <------------- TERMINAL fd -- |   the main end of the container's pseudo-terminal
 *      | <------------- LISTENER fd -- |   of a seccomp filter
 *      | <------------- CREATED ------ |   about to wait on the start socket
 *      | -- GO ----------------------> |   ... the container has been recorded: before CREATED where no other GO is due
 *
 *   whoever starts                  helper
 *      | -- connect, GO [state fd] --> |
 *      | <--- end of the connection -- |   execve has taken place
 *
 * Instead of any of its messages the helper can say FAILED: which operation, which call, which error. */
#ifndef RUNLET_INIT_REPORT_H
#define RUNLET_INIT_REPORT_H

#include "kernel.h"

enum message_kind {
  MESSAGE_FAILED = 1,
  MESSAGE_PAUSE = 2,
  MESSAGE_FORKED = 3,
  MESSAGE_CREATED = 4,
  MESSAGE_TERMINAL = 5,
  MESSAGE_LISTENER = 6,
  MESSAGE_GO = 7,
  MESSAGE_PLAN = 8,
};

#define MESSAGE_TEXT_BYTES 1024

struct message {
  uint32_t kind, index;
  int32_t error;
  uint32_t value;
  char call[24];
  char text[MESSAGE_TEXT_BYTES];
};

/* Sends with up to two descriptors; those that are < 0 are left out. */
result message_send(int socket, const struct message *message, int fd, int other_fd);
/* The longest plan that comes in the message itself. */
#define MESSAGE_PLAN_BYTES (16 << 10)

struct plan_head {
  uint32_t kind;
  /* How many descriptors come with it, in as many messages as it takes: those after the first are heads alone. */
  uint32_t fd_count;
  /* Of the plan that follows; 0 where the last descriptor is the plan. */
  uint32_t length;
};
struct plan_message {
  struct plan_head head;
  uint8_t bytes[MESSAGE_PLAN_BYTES];
};

/* Receives the plan, and its descriptors as `first` and what follows it: where they come in order they get these numbers,
 * the lowest that are free. -ECONNRESET when the other side is gone. */
result message_await_plan(int socket, int first, struct plan_message *plan);
/* Waits for GO. `fd` receives a descriptor that came along, or -1. -ECONNRESET when the other side is gone, or says something
 * else. */
result message_await_go(int socket, int *fd);

#endif
