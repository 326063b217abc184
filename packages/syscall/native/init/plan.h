/* The encoded plan.
 *
 *   plan      := magic "RLPL" · u32 version · u32 length of all · u32 flags · operation*
 *   operation := u32 code · u32 index in the plan · u32 length of fields · fields
 *   field     := u32 | u64 | text (u32 length · bytes · NUL) | bytes (u32 length · bytes) | list (u32 count · item*)
 *
 * All numbers little-endian, nothing aligned. The decoder trusts no length: what does not fit is an error, and the first
 * error stays. Texts point into the plan's own memory. */
#ifndef RUNLET_INIT_PLAN_H
#define RUNLET_INIT_PLAN_H

#include "kernel.h"

#define PLAN_MAGIC 0x4c504c52u
#define PLAN_VERSION 1u
#define PLAN_MAX_BYTES (16u << 20)
/* Nobody may trace or read the helper from its first moment on. Left out when an unprivileged parent has to write the
 * id maps, which belong to root for a process that is not dumpable. */
#define PLAN_NOT_DUMPABLE 1u

/* The numbers are shared with packages/plan/src/encode.ts; a test compares the two. */
enum operation_code {
  OP_PAUSE = 1,
  OP_JOIN_NAMESPACE = 2,
  OP_UNSHARE = 3,
  OP_SET_TIME_OFFSET = 4,
  OP_FORK = 5,
  OP_JOIN_CGROUP = 6,
  OP_BECOME_ROOT = 7,
  OP_SET_ROOT_PROPAGATION = 8,
  OP_BIND_ROOT = 9,
  OP_MOUNT = 10,
  OP_REMOUNT = 11,
  OP_MAKE_DEVICE = 12,
  OP_SYMLINK = 13,
  OP_OPEN_CONSOLE = 14,
  OP_MASK_PATH = 15,
  OP_MAKE_PATH_READONLY = 16,
  OP_ENTER_ROOT = 17,
  OP_SET_ROOT_READONLY = 18,
  OP_SET_PROPAGATION = 19,
  OP_SET_HOSTNAME = 20,
  OP_SET_DOMAINNAME = 21,
  OP_SET_SYSCTL = 22,
  OP_BRING_UP_LOOPBACK = 23,
  OP_SET_OOM_SCORE_ADJ = 24,
  OP_JOIN_SESSION_KEYRING = 25,
  OP_NEW_SESSION = 26,
  OP_RAISE_RLIMIT = 27,
  OP_SET_RLIMIT = 28,
  OP_SET_NO_NEW_PRIVILEGES = 29,
  OP_SET_PERSONALITY = 30,
  OP_SET_SCHEDULER = 31,
  OP_SET_IO_PRIORITY = 32,
  OP_SET_MEMORY_POLICY = 33,
  OP_SET_AFFINITY = 34,
  OP_SET_LABEL = 35,
  OP_SET_USER = 36,
  OP_DROP_BOUNDING_CAPABILITIES = 37,
  OP_SET_CAPABILITIES = 38,
  OP_SET_WORKING_DIRECTORY = 39,
  OP_LOAD_SECCOMP = 40,
  OP_FIND_EXECUTABLE = 41,
  OP_LOOK_UP_HOME = 42,
  OP_AWAIT_START = 43,
  OP_HOOK = 44,
  OP_EXEC = 45,
  OP_MAKE_DIRECTORY = 46,
  OP_OPEN_ROOT = 47,
  OP_CLEAR_GROUPS = 48,
  OP_JOIN_ROOT = 49,
};

struct cursor {
  const uint8_t *at, *end;
  bool failed;
};

struct operation {
  uint32_t code, index;
  struct cursor fields;
};

/* Checks the head; the cursor then stands at the first operation. 0 or -EPROTO. */
result plan_open(struct cursor *plan, const void *bytes, size_t length, uint32_t *flags);
/* 1 and the next operation, 0 at the end, -EPROTO. */
result plan_next(struct cursor *plan, struct operation *operation);

uint32_t read_u32(struct cursor *cursor);
uint64_t read_u64(struct cursor *cursor);
/* Never NULL: an empty text when it failed. */
const char *read_text(struct cursor *cursor);
/* NULL where the plan has none (length 0xffffffff). */
const char *read_optional_text(struct cursor *cursor);
const uint8_t *read_bytes(struct cursor *cursor, uint32_t *length);
/* Number of items of a list; each item takes at least `item_bytes`, so that a count never exceeds what is there. */
uint32_t read_count(struct cursor *cursor, size_t item_bytes);
/* Whether all was read without an error and nothing is left. */
bool fields_ended(const struct cursor *cursor);

#endif
