/* Who the process is: ids, capabilities, limits, names, environment. */
#define _GNU_SOURCE
#include "probe.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static void field(const char *name, long long number) {
  json_string(name);
  json_raw(":");
  json_number(number);
}

static void ids(char *operand) {
  (void)operand;
  uid_t real_uid, effective_uid, saved_uid;
  gid_t real_gid, effective_gid, saved_gid, groups[64];
  getresuid(&real_uid, &effective_uid, &saved_uid);
  getresgid(&real_gid, &effective_gid, &saved_gid);
  int count = getgroups(64, groups);
  json_raw("{");
  field("uid", real_uid), json_raw(",");
  field("euid", effective_uid), json_raw(",");
  field("suid", saved_uid), json_raw(",");
  field("gid", real_gid), json_raw(",");
  field("egid", effective_gid), json_raw(",");
  field("sgid", saved_gid), json_raw(",\"groups\":[");
  for (int i = 0; i < count; i++) {
    if (i > 0) json_raw(",");
    json_number(groups[i]);
  }
  json_raw("]}");
}

static void mask(const char *name, unsigned long long bits) {
  char text[24];
  snprintf(text, sizeof text, "%016llx", bits);
  json_string(name);
  json_raw(":");
  json_string(text);
}

/* The five sets as hexadecimal masks, by system call: a container without procfs has them too. */
static void capabilities(char *operand) {
  (void)operand;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  if (syscall(SYS_capget, &header, data) < 0) {
    json_errno();
    return;
  }
  unsigned long long bounding = 0, ambient = 0;
  for (int number = 0; number < 64; number++) {
    if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) bounding |= 1ULL << number;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0) == 1) ambient |= 1ULL << number;
  }
#define BOTH(set) ((unsigned long long)data[1].set << 32 | data[0].set)
  json_raw("{");
  mask("bounding", bounding), json_raw(",");
  mask("effective", BOTH(effective)), json_raw(",");
  mask("inheritable", BOTH(inheritable)), json_raw(",");
  mask("permitted", BOTH(permitted)), json_raw(",");
  mask("ambient", ambient), json_raw("}");
}

static void no_new_privileges(char *operand) {
  (void)operand;
  json_bool(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void dumpable(char *operand) {
  (void)operand;
  json_number(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static void rlimits(char *operand) {
  (void)operand;
  static const struct {
    const char *name;
    int resource;
  } known[] = {{"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
               {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
               {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", RLIMIT_LOCKS},
               {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
               {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
               {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
               {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
               {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLIMIT_STACK", RLIMIT_STACK}};
  json_raw("{");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    struct rlimit limit;
    char text[64];
    getrlimit(known[i].resource, &limit);
    if (i > 0) json_raw(",");
    json_string(known[i].name);
    snprintf(text, sizeof text, ":[\"%llu\",\"%llu\"]", (unsigned long long)limit.rlim_cur,
             (unsigned long long)limit.rlim_max);
    json_raw(text);
  }
  json_raw("}");
}

static void file_mode_mask(char *operand) {
  (void)operand;
  mode_t current = umask(0);
  umask(current);
  json_number(current);
}

static void environment(char *operand) {
  (void)operand;
  json_raw("[");
  for (char **entry = environ; *entry != NULL; entry++) {
    if (entry != environ) json_raw(",");
    json_string(*entry);
  }
  json_raw("]");
}

static void host_name(char *operand) {
  (void)operand;
  struct utsname names;
  uname(&names);
  json_string(names.nodename);
}

static void domain_name(char *operand) {
  (void)operand;
  struct utsname names;
  uname(&names);
  json_string(names.domainname);
}

static void machine(char *operand) {
  (void)operand;
  struct utsname names;
  uname(&names);
  json_string(names.machine);
}

static void set_groups(char *operand) {
  gid_t group = operand != NULL ? (gid_t)strtoul(operand, NULL, 10) : 0;
  json_result(setgroups(1, &group));
}

static void set_uid(char *operand) { json_result(setuid((uid_t)strtoul(operand, NULL, 10))); }

const struct verb identity_verbs[] = {{"ids", ids},
                                      {"capabilities", capabilities},
                                      {"noNewPrivileges", no_new_privileges},
                                      {"dumpable", dumpable},
                                      {"rlimits", rlimits},
                                      {"umask", file_mode_mask},
                                      {"env", environment},
                                      {"hostname", host_name},
                                      {"domainname", domain_name},
                                      {"machine", machine},
                                      {"setgroups", set_groups},
                                      {"setuid", set_uid},
                                      {NULL, NULL}};
