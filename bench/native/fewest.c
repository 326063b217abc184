/* The least that a container's life takes of the kernel: a default config's run of /bin/true, and nothing else.
 *
 *   fewest ROOTFS PROGRAM
 *
 * For every line on standard input it runs one container, from making its control groups to removing them, and answers with
 * the nanoseconds that took. What it does is the plan of the default config: six new namespaces, a v1 control group in every
 * mounted controller (or one v2 group) with the default devices, the default mounts, devices, links, masked and read-only
 * paths, pivot_root, a session keyring, the capabilities, one rlimit, no_new_privs, execve, wait, rmdir: the same effects
 * with the fewest calls, in one process without an executable of its own, without state, errors or a start that is waited
 * for. Like runlet's, the process enters the groups of v1 by writing 0 to `tasks`, which takes no lock over all processes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rounds.h"

#define HIERARCHIES 16
static char hierarchies[HIERARCHIES][256], controllers[HIERARCHIES][256];
static int hierarchy_count;
static const char *rootfs, *program;

static void check(long result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "fewest: %s: %s\n", what, strerror(errno));
    _exit(125);
  }
}

/* Every cgroup file system that is mounted: each v1 hierarchy, and a v2 one when it is the only one. */
static void find_hierarchies(void) {
  FILE *mounts = fopen("/proc/self/mounts", "r");
  char line[1024], unified[256] = "";
  if (mounts == NULL) check(-1, "/proc/self/mounts");
  while (fgets(line, sizeof line, mounts) != NULL) {
    char target[256], type[64], options[256];
    if (sscanf(line, "%*s %255s %63s %255s", target, type, options) != 3) continue;
    if (strcmp(type, "cgroup2") == 0) strcpy(unified, target);
    if (strcmp(type, "cgroup") != 0 || hierarchy_count == HIERARCHIES) continue;
    /* Behind the options of the mount stand those of the hierarchy: its controllers. */
    char *last = strstr(options, "relatime,");
    strcpy(controllers[hierarchy_count], last != NULL ? last + strlen("relatime,") : options);
    strcpy(hierarchies[hierarchy_count++], target);
  }
  fclose(mounts);
  if (hierarchy_count == 0 && unified[0] != '\0') strcpy(hierarchies[hierarchy_count++], unified);
}

static void write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  check(fd, path);
  check(write(fd, text, strlen(text)), path);
  close(fd);
}

static void group_path(char *path, size_t size, int index) {
  if (snprintf(path, size, "%s/fewest-%d", hierarchies[index], getpid()) >= (int)size) check(-1, "path of a control group");
}

/* A group of cpuset starts with no cpus and no nodes: it takes its parent's before a process may enter. */
static void inherit(const char *group, const char *file) {
  char path[512], value[256];
  snprintf(path, sizeof path, "%s/../%s", group, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = read(fd, value, sizeof value - 1);
  close(fd);
  if (length <= 0) return;
  value[length] = '\0';
  snprintf(path, sizeof path, "%s/%s", group, file);
  write_text(path, value);
}

static void make_groups(void) {
  char path[400], file[512];
  for (int i = 0; i < hierarchy_count; i++) {
    group_path(path, sizeof path, i);
    check(mkdir(path, 0755), path);
    inherit(path, "cpuset.cpus");
    inherit(path, "cpuset.mems");
    /* The default config's only limit: every device denied but the usual ones. */
    snprintf(file, sizeof file, "%s/devices.deny", path);
    if (access(file, F_OK) == 0) {
      static const char *const allowed[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm",   "c 1:7 rwm",   "c 1:8 rwm",
                                            "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:200 rwm"};
      write_text(file, "a");
      snprintf(file, sizeof file, "%s/devices.allow", path);
      int fd = open(file, O_WRONLY | O_CLOEXEC);
      for (size_t rule = 0; rule < sizeof allowed / sizeof *allowed; rule++) check(write(fd, allowed[rule], strlen(allowed[rule])), file);
      close(fd);
    }
  }
}

static void enter_groups(const char *file, int owner) {
  char path[512];
  for (int i = 0; i < hierarchy_count; i++) {
    if (snprintf(path, sizeof path, "%s/fewest-%d/%s", hierarchies[i], owner, file) >= (int)sizeof path) check(-1, "path");
    write_text(path, "0");
  }
}

static void remove_groups(void) {
  char path[400];
  for (int i = 0; i < hierarchy_count; i++) {
    group_path(path, sizeof path, i);
    while (rmdir(path) < 0 && errno == EBUSY) usleep(100);
  }
}

static void mount_at(const char *type, const char *target, unsigned long flags, const char *options) {
  mkdir(target, 0755);
  check(mount(type, target, type, flags, options), target);
}

static void make_mounts(void) {
  check(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "slave");
  check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind");
  check(chdir(rootfs), rootfs);
  mount_at("proc", "proc", 0, NULL);
  mount_at("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
  mount_at("mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
  mount_at("sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
  const unsigned long cgroup_flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
  if (controllers[0][0] == '\0') {
    mount_at("cgroup2", "sys/fs/cgroup", cgroup_flags | MS_RDONLY, NULL);
    return;
  }
  mount_at("tmpfs", "sys/fs/cgroup", cgroup_flags, "mode=755");
  for (int i = 0; i < hierarchy_count; i++) {
    char target[64];
    snprintf(target, sizeof target, "sys/fs/cgroup/%d", i);
    mount_at("cgroup", target, cgroup_flags | MS_RDONLY, controllers[i]);
  }
  check(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | cgroup_flags, NULL), "cgroup read-only");
}

static void make_devices(void) {
  static const struct {
    const char *path;
    unsigned major, minor;
  } devices[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    check(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), devices[i].path);
  }
  check(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
  check(symlink("/proc/self/fd/0", "dev/stdin"), "dev/stdin");
  check(symlink("/proc/self/fd/1", "dev/stdout"), "dev/stdout");
  check(symlink("/proc/self/fd/2", "dev/stderr"), "dev/stderr");
  check(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
  if (access("/proc/kcore", F_OK) == 0) check(symlink("/proc/kcore", "dev/core"), "dev/core");
}

static void cover_paths(void) {
  static const char *const masked[] = {"/proc/acpi",       "/proc/asound",      "/proc/kcore", "/proc/keys",     "/proc/latency_stats", "/proc/timer_list",
                                       "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi", "/sys/devices/virtual/tpm"};
  static const char *const kept[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
    if (mount("/dev/null", masked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    if (errno == ENOTDIR) check(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, NULL), masked[i]);
  }
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    if (mount(kept[i], kept[i], NULL, MS_BIND | MS_REC, NULL) < 0) continue;
    check(mount(NULL, kept[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), kept[i]);
  }
}

static void bring_up_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(ioctl(fd, SIOCSIFFLAGS, &request), "lo");
  close(fd);
}

static void give_up_privileges(void) {
  const unsigned long long kept = 1ULL << CAP_AUDIT_WRITE | 1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE;
  for (int number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) {
    if ((kept >> number & 1) == 0) check(prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "PR_CAPBSET_DROP");
  }
  struct rlimit limit = {1024, 1024};
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{.effective = (uint32_t)kept, .permitted = (uint32_t)kept}, {0}};
  check(syscall(SYS_setgroups, 0, NULL), "setgroups");
  check(syscall(SYS_setresgid, 0, 0, 0), "setresgid");
  check(syscall(SYS_setresuid, 0, 0, 0), "setresuid");
  check(syscall(SYS_capset, &header, data), "capset");
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
}

static void contain(int owner) {
  umask(0);
  check(setsid(), "setsid");
  check(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.fewest"), "keyctl");
  enter_groups(controllers[0][0] == '\0' ? "cgroup.procs" : "tasks", owner);
  /* The namespace's root is the group that the process is in: it has to be in its own first. */
  check(unshare(CLONE_NEWCGROUP), "unshare");
  make_mounts();
  make_devices();
  check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL), "old root");
  check(umount2(".", MNT_DETACH), "umount");
  check(chdir("/"), "chdir");
  check(sethostname("fewest", 6), "sethostname");
  bring_up_loopback();
  cover_paths();
  check(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "read-only root");
  syscall(SYS_close_range, 3, ~0U, 1U << 2); /* CLOSE_RANGE_CLOEXEC */
  umask(0022);
  give_up_privileges();
  char *arguments[] = {(char *)program, NULL};
  char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", "HOME=/", NULL};
  execve(program, arguments, environment);
  check(-1, program);
}

static void run(void) {
  int owner = getpid();
  make_groups();
  struct clone_args arguments = {
      .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
      .exit_signal = SIGCHLD,
  };
  pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  check(child, "clone3");
  if (child == 0) contain(owner);
  int status;
  check(waitpid(child, &status, 0), "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "fewest: the container ended with wait status %d\n", status);
    exit(125);
  }
  remove_groups();
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: fewest ROOTFS PROGRAM\n", stderr);
    return 125;
  }
  rootfs = argv[1];
  program = argv[2];
  find_hierarchies();
  answer_rounds(run);
  return 0;
}
