/* What the kernel gives the process: network, clocks, scheduling, system calls. */
#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Interfaces by name, with whether each is up. */
static void interfaces(char *operand) {
  (void)operand;
  struct if_nameindex *names = if_nameindex();
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  json_raw("{");
  for (struct if_nameindex *name = names; name != NULL && name->if_index != 0; name++) {
    struct ifreq request = {0};
    memcpy(request.ifr_name, name->if_name, strlen(name->if_name));
    ioctl(fd, SIOCGIFFLAGS, &request);
    if (name != names) json_raw(",");
    json_string(name->if_name);
    json_raw(":");
    json_bool((request.ifr_flags & IFF_UP) != 0);
  }
  json_raw("}");
  if (names != NULL) if_freenameindex(names);
  close(fd);
}

/* IPv4 and IPv6 addresses: ["lo 127.0.0.1", ...]. */
static void addresses(char *operand) {
  (void)operand;
  struct ifaddrs *list = NULL;
  bool first = true;
  json_raw("[");
  if (getifaddrs(&list) == 0) {
    for (struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
      char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
      if (entry->ifa_addr == NULL) continue;
      int family = entry->ifa_addr->sa_family;
      if (family != AF_INET && family != AF_INET6) continue;
      const void *bytes = family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)entry->ifa_addr)->sin_addr
                                            : (void *)&((struct sockaddr_in6 *)(void *)entry->ifa_addr)->sin6_addr;
      inet_ntop(family, bytes, address, sizeof address);
      snprintf(text, sizeof text, "%s %s", entry->ifa_name, address);
      if (!first) json_raw(",");
      first = false;
      json_string(text);
    }
    freeifaddrs(list);
  }
  json_raw("]");
}

/* A datagram to ourselves over 127.0.0.1. */
static void loopback(char *operand) {
  (void)operand;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  char byte = 'x';
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
      connect(fd, (struct sockaddr *)&address, length) < 0 || send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1) {
    json_errno();
  } else {
    json_string("ok");
  }
  close(fd);
}

static void clock_seconds(char *name) {
  struct timespec now;
  clock_gettime(strcmp(name, "boottime") == 0 ? CLOCK_BOOTTIME : CLOCK_MONOTONIC, &now);
  json_number(now.tv_sec);
}

struct attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

static void scheduler(char *operand) {
  (void)operand;
  struct attributes found = {.size = sizeof found};
  if (syscall(SYS_sched_getattr, 0, &found, sizeof found, 0) < 0) {
    json_errno();
    return;
  }
  char text[256];
  snprintf(text, sizeof text,
           "{\"policy\":%u,\"flags\":%llu,\"nice\":%d,\"priority\":%u,\"runtime\":%llu,\"deadline\":%llu,\"period\":%llu}",
           found.policy, (unsigned long long)found.flags, found.nice, found.priority, (unsigned long long)found.runtime,
           (unsigned long long)found.deadline, (unsigned long long)found.period);
  json_raw(text);
}

/* Class and priority: {"class": 2, "priority": 4}. */
static void io_priority(char *operand) {
  (void)operand;
  long value = syscall(SYS_ioprio_get, 1, 0);
  if (value < 0) {
    json_errno();
    return;
  }
  char text[64];
  snprintf(text, sizeof text, "{\"class\":%ld,\"priority\":%ld}", value >> 13, value & 0x1fff);
  json_raw(text);
}

static void affinity(char *operand) {
  (void)operand;
  cpu_set_t cpus;
  bool first = true;
  sched_getaffinity(0, sizeof cpus, &cpus);
  json_raw("[");
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &cpus)) continue;
    if (!first) json_raw(",");
    first = false;
    json_number(cpu);
  }
  json_raw("]");
}

static void execution_domain(char *operand) {
  (void)operand;
  json_number(personality(0xffffffff));
}

/* Mode of the memory policy with its flags, and the nodes as a mask. */
static void memory_policy(char *operand) {
  (void)operand;
  int mode = -1;
  unsigned long nodes[16] = {0};
  if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, NULL, 0) < 0) {
    json_errno();
    return;
  }
  char text[64];
  snprintf(text, sizeof text, "{\"mode\":%d,\"nodes\":%lu}", mode, nodes[0]);
  json_raw(text);
}

/* Description of the session keyring: "keyring;0;0;3f130000;_ses". */
static void session_keyring(char *operand) {
  (void)operand;
  char text[256];
  long length = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, text, sizeof text);
  if (length < 0) {
    json_errno();
  } else {
    json_string(text);
  }
}

/* The session keyring's serial number, which no other has. */
static void session_keyring_id(char *operand) {
  (void)operand;
  long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
  if (id < 0) {
    json_errno();
  } else {
    json_number(id);
  }
}

/* syscall=NUMBER[,ARGUMENT...]: the result, or the errno. */
static void system_call(char *operand) {
  long arguments[7] = {0};
  int count = 0;
  for (char *word = strtok(operand, ","); word != NULL && count < 7; word = strtok(NULL, ",")) {
    arguments[count++] = (long)strtoull(word, NULL, 0);
  }
  long result = syscall(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[6]);
  if (result < 0) {
    json_errno();
  } else {
    json_number(result);
  }
}

/* call32=NUMBER: the same by the gate of 32-bit programs, whose system calls have other numbers. */
static void system_call_32(char *operand) {
#if defined(__x86_64__)
  long result = atoi(operand);
  __asm__ volatile("int $0x80" : "+a"(result) : "b"(0L), "c"(0L), "d"(0L) : "r8", "r9", "r10", "r11", "memory");
  errno = (int)-result;
  if (result < 0 && result > -4096) {
    json_errno();
  } else {
    json_number(result);
  }
#else
  (void)operand;
  json_raw("null");
#endif
}

/* unshare=FLAGS in hexadecimal. */
static void leave_namespaces(char *flags) { json_result(unshare((int)strtoul(flags, NULL, 16))); }

static void set_host_name(char *name) { json_result(sethostname(name, strlen(name))); }

const struct verb system_verbs[] = {{"interfaces", interfaces},
                                    {"addresses", addresses},
                                    {"loopback", loopback},
                                    {"clock", clock_seconds},
                                    {"scheduler", scheduler},
                                    {"ioPriority", io_priority},
                                    {"affinity", affinity},
                                    {"personality", execution_domain},
                                    {"memoryPolicy", memory_policy},
                                    {"sessionKeyring", session_keyring},
                                    {"sessionKeyringId", session_keyring_id},
                                    {"syscall", system_call},
                                    {"call32", system_call_32},
                                    {"unshare", leave_namespaces},
                                    {"sethostname", set_host_name},
                                    {NULL, NULL}};
