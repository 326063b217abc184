/* Sockets to the kernel's network configuration, in any network namespace. */
#include "addon.h"

#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

struct opening {
  int namespace_fd, fd, error;
};

/* A socket belongs to the namespace that its opener was in. The thread that went there ends there, so that no other
 * thread of the process is ever anywhere else than before. */
static void *open_in_namespace(void *data) {
  struct opening *opening = data;
  if (setns(opening->namespace_fd, CLONE_NEWNET) < 0 ||
      (opening->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) < 0)
    opening->error = errno;
  return NULL;
}

/* openNetlink(namespaceFd | -1): a socket of NETLINK_ROUTE in that namespace, or in the caller's own, | -errno */
static napi_value open_netlink(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct opening opening = {.namespace_fd = arg_int(&args, 0), .fd = -1};
  if (args_failed(&args)) return NULL;
  if (opening.namespace_fd < 0)
    return result_value(env, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  pthread_t thread;
  int error = pthread_create(&thread, NULL, open_in_namespace, &opening);
  if (error == 0) error = pthread_join(thread, NULL);
  if (error == 0) error = opening.error;
  return number_value(env, error ? -(int64_t)error : opening.fd);
}

const struct export_entry netlink_exports[] = {{"openNetlink", open_netlink}, {0}};
