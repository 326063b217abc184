/* What the namespaces and the process are called and how the kernel treats them. */
#include "init.h"

#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/sockios.h>

#define AF_INET_ 2
#define SOCK_DGRAM_CLOEXEC 02000002

result set_hostname(struct init *init, struct cursor *fields) {
  const char *name = read_text(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "sethostname", name, KERNEL(sethostname, name, text_length(name)));
  return 0;
}

result set_domainname(struct init *init, struct cursor *fields) {
  const char *name = read_text(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "setdomainname", name, KERNEL(setdomainname, name, text_length(name)));
  return 0;
}

result set_sysctl(struct init *init, struct cursor *fields) {
  const char *name = read_text(fields), *value = read_text(fields);
  CHECK_FIELDS(init, fields);
  char path[512] = "sys/";
  text_append(path, sizeof path, name);
  TRY(init, "write", name, write_proc(init, path, value));
  return 0;
}

result bring_up_loopback(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  int socket CLEANUP_FD = (int)TRY(init, "socket", "lo", KERNEL(socket, AF_INET_, SOCK_DGRAM_CLOEXEC, 0));
  struct ifreq request = {.ifr_name = "lo"};
  TRY(init, "ioctl", "lo", KERNEL(ioctl, socket, SIOCGIFFLAGS, &request));
  request.ifr_flags |= IFF_UP;
  TRY(init, "ioctl", "lo", KERNEL(ioctl, socket, SIOCSIFFLAGS, &request));
  return 0;
}

result set_oom_score_adj(struct init *init, struct cursor *fields) {
  char number[16] = "";
  text_append_number(number, sizeof number, (int32_t)read_u32(fields));
  CHECK_FIELDS(init, fields);
  TRY(init, "write", "/proc/self/oom_score_adj", write_proc(init, "self/oom_score_adj", number));
  return 0;
}

/* What the kernel gives a new session keyring: all to whoever possesses it; view, read and link to its owner, keyctl(2). */
#define SESSION_KEYRING_RIGHTS 0x3f130000
#define OWNER_SEARCH 0x00080000

/* A keyring of the session's own. Only what its owner can search is found by name: what joins the container later. */
result join_session_keyring(struct init *init, struct cursor *fields) {
  const char *name = read_text(fields);
  bool grant_search = read_u32(fields) != 0;
  CHECK_FIELDS(init, fields);
  result keyring = KERNEL(keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0);
  /* A kernel without keyrings, or a sandbox that forbids them: there is nothing to keep from the container then. */
  if (keyring == -ENOSYS || keyring == -EPERM) return 0;
  TRY(init, "keyctl", name, keyring);
  if (grant_search)
    TRY(init, "keyctl", name, KERNEL(keyctl, KEYCTL_SETPERM, keyring, SESSION_KEYRING_RIGHTS | OWNER_SEARCH, 0, 0));
  return 0;
}

result new_session(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  TRY(init, "setsid", NULL, KERNEL(setsid));
  return 0;
}

struct limit {
  uint64_t soft, hard;
};

result raise_rlimit(struct init *init, struct cursor *fields) {
  uint32_t resource = read_u32(fields);
  uint64_t hard = read_u64(fields);
  const char *name = read_text(fields);
  CHECK_FIELDS(init, fields);
  struct limit limit = {0};
  TRY(init, "prlimit64", name, KERNEL(prlimit64, 0, resource, 0, &limit));
  if (limit.hard >= hard) return 0;
  limit.hard = hard;
  TRY(init, "prlimit64", name, KERNEL(prlimit64, 0, resource, &limit, 0));
  return 0;
}

result set_rlimit(struct init *init, struct cursor *fields) {
  uint32_t resource = read_u32(fields);
  struct limit limit = {.soft = read_u64(fields)};
  limit.hard = read_u64(fields);
  const char *name = read_text(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "prlimit64", name, KERNEL(prlimit64, 0, resource, &limit, 0));
  return 0;
}

result set_no_new_privileges(struct init *init, struct cursor *fields) {
  CHECK_FIELDS(init, fields);
  TRY(init, "prctl", "PR_SET_NO_NEW_PRIVS", KERNEL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  return 0;
}

result set_personality(struct init *init, struct cursor *fields) {
  uint32_t value = read_u32(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "personality", NULL, KERNEL(personality, value));
  return 0;
}

result set_scheduler(struct init *init, struct cursor *fields) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    /* Of SCHED_FLAG_UTIL_CLAMP_MIN and MAX, for which the specification has no values. */
    uint32_t util_min, util_max;
  } attributes = {.size = sizeof attributes, .policy = read_u32(fields)};
  attributes.flags = read_u64(fields);
  attributes.nice = (int32_t)read_u32(fields);
  attributes.priority = read_u32(fields);
  attributes.runtime = read_u64(fields);
  attributes.deadline = read_u64(fields);
  attributes.period = read_u64(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "sched_setattr", NULL, KERNEL(sched_setattr, 0, &attributes, 0));
  return 0;
}

result set_io_priority(struct init *init, struct cursor *fields) {
  uint32_t value = read_u32(fields);
  CHECK_FIELDS(init, fields);
  TRY(init, "ioprio_set", NULL, KERNEL(ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, value));
  return 0;
}

/* Bit masks of up to 64 words: 4096 processors or memory nodes. */
#define MASK_WORDS 64

static uint32_t read_mask(struct cursor *fields, uint64_t *mask) {
  uint32_t count = read_count(fields, 8);
  if (count > MASK_WORDS) fields->failed = true;
  for (uint32_t i = 0; i < count && !fields->failed; i++) mask[i] = read_u64(fields);
  return count;
}

result set_memory_policy(struct init *init, struct cursor *fields) {
  uint64_t mask[MASK_WORDS] = {0};
  uint32_t mode = read_u32(fields), words = read_mask(fields, mask);
  CHECK_FIELDS(init, fields);
  /* The kernel takes one bit fewer than it is told. */
  TRY(init, "set_mempolicy", NULL, KERNEL(set_mempolicy, (int)mode, words ? mask : 0, words ? words * 64 + 1 : 0));
  return 0;
}

result set_affinity(struct init *init, struct cursor *fields) {
  uint64_t mask[MASK_WORDS] = {0};
  uint32_t words = read_mask(fields, mask);
  CHECK_FIELDS(init, fields);
  TRY(init, "sched_setaffinity", NULL, KERNEL(sched_setaffinity, 0, words * 8, mask));
  return 0;
}

result set_label(struct init *init, struct cursor *fields) {
  const char *attribute = read_text(fields), *value = read_text(fields);
  CHECK_FIELDS(init, fields);
  char path[64] = "self/attr/";
  text_append(path, sizeof path, attribute);
  TRY(init, "write", path, write_proc(init, path, value));
  return 0;
}
