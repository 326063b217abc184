/* What the process does: sleeps, exits, traps signals, starts others, uses memory and its terminal. */
#define _GNU_SOURCE
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void exit_with(char *status) {
  json_string("exiting");
  json_raw("]\n");
  json_flush();
  _exit(atoi(status));
}

static void print(char *text) {
  dprintf(STDERR_FILENO, "%s\n", text);
  json_string("printed");
}

static void raise_signal(char *number) {
  /* The first process of a pid namespace ignores what it has no handler for: a child of it dies by the signal. */
  json_result(kill(getpid(), atoi(number)));
}

static void pause_seconds(char *seconds) {
  double left = atof(seconds);
  usleep((useconds_t)(left * 1e6));
  json_string("slept");
}

/* Says that it waits, at once, then waits for a signal that ends it. */
static void wait_forever(char *operand) {
  (void)operand;
  json_string("waiting");
  json_raw("]\n");
  json_flush();
  for (;;) pause();
}

/* Says that it spins, at once, then uses a processor until a signal ends it. */
static void spin(char *operand) {
  (void)operand;
  json_string("spinning");
  json_raw("]\n");
  json_flush();
  for (volatile unsigned long turn = 0;; turn++) {
  }
}

static volatile sig_atomic_t caught;
static void catch_signal(int number) { caught = number; }

/* trap=15,28: says that it is ready, waits for one of the signals, prints its number. */
static void trap(char *numbers) {
  sigset_t blocked, previous;
  sigemptyset(&blocked);
  for (char *number = strtok(numbers, ","); number != NULL; number = strtok(NULL, ",")) {
    struct sigaction action = {.sa_handler = catch_signal};
    sigaction(atoi(number), &action, NULL);
    sigaddset(&blocked, atoi(number));
  }
  sigprocmask(SIG_BLOCK, &blocked, &previous);
  json_string("ready");
  json_raw("]\n");
  json_flush();
  caught = 0;
  while (caught == 0) sigsuspend(&previous);
  sigprocmask(SIG_SETMASK, &previous, NULL);
  json_raw("[\"trapped\",");
  json_number(caught);
}

static void wait_for_file(char *path) {
  struct stat found;
  while (stat(path, &found) < 0) usleep(5000);
  json_string("ok");
}

/* Starts processes that wait forever, and prints how many there came to be. */
static void fork_children(char *wanted) {
  int count = 0;
  for (; count < atoi(wanted); count++) {
    pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      for (;;) pause();
    }
  }
  json_number(count);
}

/* An orphan that its parent leaves behind: a grandchild that waits forever. */
static void orphan(char *operand) {
  (void)operand;
  pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      for (;;) pause();
    }
    _exit(0);
  }
  int status;
  json_result(waitpid(child, &status, 0));
}

/* How a child ended that ran a program: {"status": N} or {"signal": N}. */
static void execute(char *path) {
  int channel[2];
  if (pipe2(channel, O_CLOEXEC) < 0) {
    json_errno();
    return;
  }
  pid_t child = fork();
  if (child == 0) {
    char *arguments[] = {path, NULL};
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) dup2(null, STDOUT_FILENO);
    execv(path, arguments);
    int error = errno;
    (void)!write(channel[1], &error, sizeof error);
    _exit(127);
  }
  close(channel[1]);
  int error, status;
  ssize_t count = read(channel[0], &error, sizeof error);
  close(channel[0]);
  waitpid(child, &status, 0);
  if (count == sizeof error) {
    errno = error;
    json_errno();
    return;
  }
  char text[64];
  snprintf(text, sizeof text, WIFSIGNALED(status) ? "{\"signal\":%d}" : "{\"status\":%d}",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  json_raw(text);
}

static void allocate(char *megabytes) {
  size_t length = (size_t)atol(megabytes) << 20;
  char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    json_errno();
    return;
  }
  for (size_t offset = 0; offset < length; offset += 4096) memory[offset] = 1;
  json_string("ok");
}

/* mapHugeMiB=MIB of huge pages, which the kernel sets aside without being touched. */
static void map_huge(char *megabytes) {
  size_t length = (size_t)atol(megabytes) << 20;
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
  json_result(memory == MAP_FAILED ? -1 : 0);
  if (memory != MAP_FAILED) munmap(memory, length);
}

static void copy_input(char *operand) {
  (void)operand;
  static char content[1 << 16];
  size_t length = 0;
  ssize_t count;
  while (length < sizeof content && (count = read(STDIN_FILENO, content + length, sizeof content - length)) > 0) {
    length += (size_t)count;
  }
  json_bytes(content, length);
}

static void terminal(char *operand) {
  (void)operand;
  struct winsize size = {0};
  char text[256];
  const char *name = ttyname(STDIN_FILENO);
  ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
  snprintf(text, sizeof text,
           "{\"isTerminal\":[%s,%s,%s],\"name\":\"%s\",\"rows\":%d,\"columns\":%d,\"leadsSession\":%s,\"foreground\":%s}",
           isatty(0) ? "true" : "false", isatty(1) ? "true" : "false", isatty(2) ? "true" : "false",
           name != NULL ? name : "", size.ws_row, size.ws_col, getsid(0) == getpid() ? "true" : "false",
           tcgetpgrp(STDIN_FILENO) == getpgrp() ? "true" : "false");
  json_raw(text);
}

/* terminalSize=24,80: waits until the terminal has so many rows and columns. */
static void wait_for_terminal_size(char *wanted) {
  struct winsize size = {0};
  int rows = 0, columns = 0;
  sscanf(wanted, "%d,%d", &rows, &columns);
  while (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && (size.ws_row != rows || size.ws_col != columns)) usleep(5000);
  json_string("ok");
}

static void inject_input(char *text) { json_result(ioctl(STDIN_FILENO, TIOCSTI, text)); }

enum sight { SIGHT_NOTHING, SIGHT_HIDDEN, SIGHT_HELPER };

/* What can be seen of a process by the link to its executable, for which procfs asks as ptrace(2) does. */
static enum sight look_at(pid_t pid) {
  char path[64], target[64];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0) return errno == EACCES || errno == EPERM ? SIGHT_HIDDEN : SIGHT_NOTHING;
  target[length] = '\0';
  return strncmp(target, "/memfd:runlet-init", 18) == 0 ? SIGHT_HELPER : SIGHT_NOTHING;
}

/* How many descriptors beside the standard streams can be taken from a process. The probe has none. */
static int take_descriptors(pid_t pid) {
  int taken = 0;
  char path[64];
  for (int number = 3; number < 16; number++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, number);
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) continue;
    taken++;
    close(fd);
  }
  return taken;
}

/* Tries to look into every process beside this one for so many milliseconds: into those of a runtime that joins. */
static void spy(char *milliseconds) {
  struct timespec now, end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  long total = end.tv_nsec / 1000000 + atol(milliseconds);
  end.tv_sec += total / 1000;
  end.tv_nsec = total % 1000 * 1000000;
  long long hidden = 0, readable = 0, opened = 0, traced = 0;
  do {
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
      pid_t pid = atoi(entry->d_name);
      if (pid == 0 || pid == getpid()) continue;
      enum sight sight = look_at(pid);
      hidden += sight == SIGHT_HIDDEN;
      readable += sight == SIGHT_HELPER;
      if (sight == SIGHT_NOTHING) continue;
      opened += take_descriptors(pid);
      /* Without the SIGSTOP of PTRACE_ATTACH, which would outlast us in a process that has been executed meanwhile. */
      if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0) continue;
      ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
      waitpid(pid, NULL, __WALL);
      traced += look_at(pid) != SIGHT_NOTHING;
      ptrace(PTRACE_DETACH, pid, NULL, NULL);
    }
    if (processes != NULL) closedir(processes);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
  json_raw("{\"hidden\":");
  json_number(hidden);
  json_raw(",\"readable\":");
  json_number(readable);
  json_raw(",\"opened\":");
  json_number(opened);
  json_raw(",\"traced\":");
  json_number(traced);
  json_raw("}");
}

static void process_id(char *operand) {
  (void)operand;
  json_number(getpid());
}

static void parent_id(char *operand) {
  (void)operand;
  json_number(getppid());
}

/* notify=TEXT: says it to the service manager, at $NOTIFY_SOCKET. */
static void notify(char *operand) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = getenv("NOTIFY_SOCKET");
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  strncpy(address.sun_path, path != NULL ? path : "", sizeof address.sun_path - 1);
  json_result(sendto(fd, operand, strlen(operand), 0, (struct sockaddr *)&address, sizeof address));
  close(fd);
}

const struct verb process_verbs[] = {{"exit", exit_with},
                                     {"stderr", print},
                                     {"raise", raise_signal},
                                     {"sleep", pause_seconds},
                                     {"notify", notify},
                                     {"wait", wait_forever},
                                     {"spin", spin},
                                     {"trap", trap},
                                     {"waitFile", wait_for_file},
                                     {"fork", fork_children},
                                     {"orphan", orphan},
                                     {"execute", execute},
                                     {"spy", spy},
                                     {"allocateMiB", allocate},
                                     {"mapHugeMiB", map_huge},
                                     {"input", copy_input},
                                     {"terminal", terminal},
                                     {"terminalSize", wait_for_terminal_size},
                                     {"injectInput", inject_input},
                                     {"pid", process_id},
                                     {"ppid", parent_id},
                                     {NULL, NULL}};
