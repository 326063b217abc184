/* Terminals: their modes and sizes, and a relay that copies between a terminal and the main end of a pseudo-terminal. */
#include "addon.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>

static napi_value terminal_isatty(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  return number_value(env, isatty(fd));
}

/* [rows, columns, width and height in pixels], or -errno. */
static napi_value terminal_get_window_size(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct winsize size = {0};
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return result_value(env, -1);
  int64_t numbers[] = {size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel};
  return array_value(env, numbers, 4);
}

static napi_value terminal_set_window_size(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  struct winsize size = {
      .ws_row = (unsigned short)arg_int(&args, 1),
      .ws_col = (unsigned short)arg_int(&args, 2),
      .ws_xpixel = (unsigned short)arg_int(&args, 3),
      .ws_ypixel = (unsigned short)arg_int(&args, 4),
  };
  if (args_failed(&args)) return NULL;
  return result_value(env, ioctl(fd, TIOCSWINSZ, &size));
}

/* Fills the buffer with the terminal's mode as it is; returns how many bytes that takes. */
static napi_value terminal_get_mode(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  size_t length;
  uint8_t *bytes = arg_bytes(&args, 1, &length);
  if (args_failed(&args)) return NULL;
  struct termios mode = {0};
  if (length < sizeof mode) return number_value(env, -EINVAL);
  if (tcgetattr(fd, &mode) < 0) return result_value(env, -1);
  memcpy(bytes, &mode, sizeof mode);
  return number_value(env, sizeof mode);
}

static napi_value terminal_set_mode(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  size_t length;
  uint8_t *bytes = arg_bytes(&args, 1, &length);
  if (args_failed(&args)) return NULL;
  struct termios mode;
  if (length != sizeof mode) return number_value(env, -EINVAL);
  memcpy(&mode, bytes, sizeof mode);
  return result_value(env, tcsetattr(fd, TCSADRAIN, &mode));
}

/* cfmakeraw(3), but output processing stays on, so that a line of our own still begins at the left. */
static napi_value terminal_make_raw(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct termios mode;
  if (tcgetattr(fd, &mode) < 0) return result_value(env, -1);
  tcflag_t post = mode.c_oflag & (OPOST | ONLCR);
  cfmakeraw(&mode);
  mode.c_oflag |= post;
  return result_value(env, tcsetattr(fd, TCSADRAIN, &mode));
}

/* Clears ONLCR: a newline that is written to the terminal stays a newline. */
static napi_value terminal_keep_newlines(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct termios mode;
  if (tcgetattr(fd, &mode) < 0) return result_value(env, -1);
  mode.c_oflag &= ~(tcflag_t)ONLCR;
  return result_value(env, tcsetattr(fd, TCSANOW, &mode));
}

/* One thread a direction, so that output that nobody takes cannot hold up a Ctrl-C. The descriptors are copies of the
 * caller's. Three hold the structure: the JavaScript handle, the thread-safe function and the threads. */
struct relay {
  int main_fd, input_fd, output_fd;
  /* Becomes readable when the relay is to end, and stays so. */
  int end_fd;
  /* How long to go on without output after that, in milliseconds. */
  int linger_ms;
  /* What is written to the main end when the input ends; -1 for nothing. */
  int end_of_input;
  pthread_t input_thread;
  napi_threadsafe_function ended;
  atomic_int holders;
};

static void relay_release(struct relay *relay) {
  if (atomic_fetch_sub(&relay->holders, 1) != 1) return;
  cleanup_fd(&relay->main_fd);
  cleanup_fd(&relay->input_fd);
  cleanup_fd(&relay->output_fd);
  cleanup_fd(&relay->end_fd);
  free(relay);
}

static void relay_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  relay_release(data);
}

static void relay_end(struct relay *relay) {
  uint64_t one = 1;
  ssize_t written = write(relay->end_fd, &one, sizeof one);
  (void)written; /* Only a full counter fails, and a full counter is readable too. */
}

/* Writes it all, waiting for room; false when that is impossible or, if `until_end`, the relay ends. */
static bool relay_write(struct relay *relay, int fd, const uint8_t *bytes, size_t length, bool until_end) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written > 0) {
      bytes += written;
      length -= (size_t)written;
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno != EAGAIN) return false;
    struct pollfd set[] = {{.fd = fd, .events = POLLOUT}, {.fd = until_end ? relay->end_fd : -1, .events = POLLIN}};
    if (poll(set, 2, -1) < 0 && errno != EINTR) return false;
    if (set[1].revents != 0) return false;
  }
  return true;
}

/* How long to wait until the terminal is looked at again; twice as long each time that its mode is the same. */
enum { first_look_ms = 50, last_look_ms = 1000 };

/* Types the end of the input. It lasts, which a typed character does not: one program takes it, and the next one that reads
 * would wait for ever. So in line mode it is typed again from time to time; and in any mode when that has changed, since a
 * program that leaves the line mode, as a shell does that edits lines, finds a NUL in the place of an end typed before. */
static void relay_end_of_input(struct relay *relay, bool at_line_start) {
  /* The first one ends an unfinished line, and only the next one is the end of the file: termios(3), VEOF. */
  const uint8_t end[] = {(uint8_t)relay->end_of_input, (uint8_t)relay->end_of_input};
  struct termios mode;
  bool has_mode = tcgetattr(relay->main_fd, &mode) == 0;
  if (!relay_write(relay, relay->main_fd, end, at_line_start ? 1 : 2, true)) return;
  for (int delay_ms = first_look_ms; has_mode;) {
    bool was_in_lines = (mode.c_lflag & ICANON) != 0;
    struct pollfd set = {.fd = relay->end_fd, .events = POLLIN};
    int ready = poll(&set, 1, delay_ms);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return;
    has_mode = tcgetattr(relay->main_fd, &mode) == 0;
    bool is_in_lines = (mode.c_lflag & ICANON) != 0, is_late = delay_ms == last_look_ms;
    bool is_due = was_in_lines != is_in_lines || (is_in_lines && is_late);
    if (has_mode && is_due && !relay_write(relay, relay->main_fd, end, 1, true)) return;
    if (was_in_lines != is_in_lines)
      delay_ms = first_look_ms;
    else if (!is_late)
      delay_ms = delay_ms * 2 < last_look_ms ? delay_ms * 2 : last_look_ms;
  }
}

static void *relay_input(void *data) {
  struct relay *relay = data;
  uint8_t bytes[4096];
  bool at_line_start = true;
  for (;;) {
    struct pollfd set[] = {{.fd = relay->input_fd, .events = POLLIN}, {.fd = relay->end_fd, .events = POLLIN}};
    if (poll(set, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return NULL;
    }
    if (set[1].revents != 0) return NULL;
    ssize_t length = read(relay->input_fd, bytes, sizeof bytes);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length <= 0) break;
    if (!relay_write(relay, relay->main_fd, bytes, (size_t)length, true)) return NULL;
    at_line_start = bytes[length - 1] == '\n';
  }
  if (relay->end_of_input >= 0) relay_end_of_input(relay, at_line_start);
  return NULL;
}

static void *relay_output(void *data) {
  struct relay *relay = data;
  uint8_t bytes[16384];
  bool ending = false, discard = false;
  for (;;) {
    struct pollfd set[] = {{.fd = relay->main_fd, .events = POLLIN}, {.fd = ending ? -1 : relay->end_fd, .events = POLLIN}};
    int ready = poll(set, 2, ending ? relay->linger_ms : -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    if (set[1].revents != 0) ending = true;
    if (set[0].revents == 0) continue;
    ssize_t length = read(relay->main_fd, bytes, sizeof bytes);
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (length <= 0) break; /* EIO: nobody has the other end open */
    /* Nobody reads our output: the container must not stall on it, so the rest is thrown away. */
    if (!discard) discard = !relay_write(relay, relay->output_fd, bytes, (size_t)length, false);
  }
  relay_end(relay);
  pthread_join(relay->input_thread, NULL);
  /* When the environment is going down, the function is not ours any more. */
  if (napi_call_threadsafe_function(relay->ended, NULL, napi_tsfn_nonblocking) != napi_closing)
    napi_release_threadsafe_function(relay->ended, napi_tsfn_release);
  relay_release(relay);
  return NULL;
}

/* Starts both threads with signals blocked, since those are the main thread's; but for the two by which the kernel stops
 * a process that reaches for its terminal from the background: blocked, they would make read(2) fail with EIO. */
static int relay_start(struct relay *relay) {
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGTTIN);
  sigdelset(&all, SIGTTOU);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t output_thread;
  int error = pthread_create(&relay->input_thread, NULL, relay_input, relay);
  if (error == 0) {
    atomic_fetch_add(&relay->holders, 1);
    error = pthread_create(&output_thread, NULL, relay_output, relay);
    if (error == 0) {
      pthread_detach(output_thread);
    } else {
      relay_end(relay);
      pthread_join(relay->input_thread, NULL);
      atomic_fetch_sub(&relay->holders, 1);
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -error;
}

static bool relay_open(struct relay *relay, int main_fd, int input_fd, int output_fd) {
  relay->main_fd = fcntl(main_fd, F_DUPFD_CLOEXEC, 3);
  relay->input_fd = fcntl(input_fd, F_DUPFD_CLOEXEC, 3);
  relay->output_fd = fcntl(output_fd, F_DUPFD_CLOEXEC, 3);
  relay->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (relay->main_fd < 0 || relay->input_fd < 0 || relay->output_fd < 0 || relay->end_fd < 0) return false;
  int flags = fcntl(relay->main_fd, F_GETFL);
  return flags >= 0 && fcntl(relay->main_fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* relayTerminal(mainFd, inputFd, outputFd, endOfInput, lingerMs, callback): a handle for endTerminalRelay, or -errno.
 * The callback is called once, when all is copied. */
static napi_value terminal_relay(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int main_fd = arg_int(&args, 0), input_fd = arg_int(&args, 1), output_fd = arg_int(&args, 2);
  int end_of_input = arg_int(&args, 3), linger_ms = arg_int(&args, 4);
  if (args_failed(&args)) return NULL;
  struct relay *relay = calloc(1, sizeof *relay);
  if (relay == NULL) return number_value(env, -ENOMEM);
  atomic_init(&relay->holders, 1);
  relay->end_of_input = end_of_input;
  relay->linger_ms = linger_ms;
  relay->main_fd = relay->input_fd = relay->output_fd = relay->end_fd = -1;
  napi_value handle, name = text_value(env, "runlet-relay", NAPI_AUTO_LENGTH);
  if (!relay_open(relay, main_fd, input_fd, output_fd)) {
    int error = errno;
    relay_release(relay);
    return number_value(env, -error);
  }
  if (napi_create_threadsafe_function(env, args.count > 5 ? args.values[5] : NULL, NULL, name, 0, 1, relay,
                                      relay_finalize, NULL, NULL, &relay->ended) != napi_ok) {
    relay_release(relay);
    args.failed = true;
    args_failed(&args);
    return NULL;
  }
  atomic_fetch_add(&relay->holders, 1); /* the handle's, beside the function's */
  if (napi_create_external(env, relay, relay_finalize, NULL, &handle) != napi_ok) {
    relay_release(relay);
    napi_release_threadsafe_function(relay->ended, napi_tsfn_abort);
    return number_value(env, -ENOMEM);
  }
  int error = relay_start(relay);
  if (error < 0) {
    napi_release_threadsafe_function(relay->ended, napi_tsfn_abort);
    return number_value(env, error);
  }
  return handle;
}

/* Ends a relay when the output falls silent for its linger time. Twice is no error. */
static napi_value terminal_end_relay(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  void *relay = NULL;
  if (args.count < 1 || napi_get_value_external(env, args.values[0], &relay) != napi_ok) args.failed = true;
  if (args_failed(&args)) return NULL;
  relay_end(relay);
  return number_value(env, 0);
}

const struct export_entry terminal_exports[] = {
    {"isatty", terminal_isatty},
    {"getWindowSize", terminal_get_window_size},
    {"setWindowSize", terminal_set_window_size},
    {"getTerminalMode", terminal_get_mode},
    {"setTerminalMode", terminal_set_mode},
    {"makeTerminalRaw", terminal_make_raw},
    {"keepNewlines", terminal_keep_newlines},
    {"relayTerminal", terminal_relay},
    {"endTerminalRelay", terminal_end_relay},
    {0},
};
