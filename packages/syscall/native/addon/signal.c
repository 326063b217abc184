/* Signals that JavaScript engines let no program catch: a handler writes their numbers to a pipe. Dispositions are the
 * process's, so is the pipe. A file descriptor of signals (signalfd) would have them blocked in each of the engine's threads. */
#include "addon.h"

#include <signal.h>

static volatile sig_atomic_t pipe_fd = -1;

/* A pipe that is full has told of signals enough. */
static void tell(int number) {
  int error = errno;
  uint8_t byte = (uint8_t)number;
  ssize_t written = write(pipe_fd, &byte, 1);
  (void)written;
  errno = error;
}

/* catchSignals(numbers, pipeFd | -1): 0 | -errno. The pipe does not block, and stays the caller's; -1 gives the signals their
 * default actions back. */
static napi_value catch_signals_export(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  size_t count = 0;
  int32_t *numbers CLEANUP_FREE = arg_ints(&args, 0, &count);
  int fd = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  struct sigaction action = {.sa_handler = fd < 0 ? SIG_DFL : tell, .sa_flags = SA_RESTART};
  if (fd >= 0) pipe_fd = fd;
  for (size_t i = 0; i < count; i++)
    if (sigaction(numbers[i], &action, NULL) < 0) return result_value(env, -1);
  return number_value(env, 0);
}

const struct export_entry signal_exports[] = {
    {"catchSignals", catch_signals_export},
    {0},
};
