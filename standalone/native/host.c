#include "argument.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

/* processId() */
FUNCTION(host_process_id) {
  return JS_NewInt32(ctx, getpid());
}

/* effectiveUserId() */
FUNCTION(host_effective_user_id) {
  return JS_NewInt64(ctx, geteuid());
}

/* effectiveGroupId() */
FUNCTION(host_effective_group_id) {
  return JS_NewInt64(ctx, getegid());
}

/* workingDirectory(): a path. */
FUNCTION(host_working_directory) {
  char *path = getcwd(NULL, 0);
  if (!path) return JS_NewInt32(ctx, -errno);
  JSValue value = decode_text(ctx, (const uint8_t *)path, strlen(path));
  free(path);
  return value;
}

/* kill(pid, signal) */
FUNCTION(host_kill) {
  int pid, signal;
  if (!int_of(arguments[0], &pid) || !int_of(arguments[1], &signal)) return wrong_type(ctx);
  return result_value(ctx, kill(pid, signal));
}

/* environment(): an object without a prototype. Of two variables of a name the first one counts, as for getenv(3). */
FUNCTION(host_environment) {
  JSValue variables = JS_NewObjectProto(ctx, JS_NULL);
  for (char **entry = environ; entry && *entry && !JS_IsException(variables); entry++) {
    const char *equals = strchr(*entry, '=');
    if (!equals) continue;
    JSValue name = decode_text(ctx, (const uint8_t *)*entry, (size_t)(equals - *entry));
    JSAtom atom = JS_ValueToAtom(ctx, name);
    JS_FreeValue(ctx, name);
    bool is_set = atom != JS_ATOM_NULL;
    if (is_set && JS_GetOwnProperty(ctx, NULL, variables, atom) == 0) {
      JSValue value = decode_text(ctx, (const uint8_t *)equals + 1, strlen(equals + 1));
      is_set = !JS_IsException(value) && JS_DefinePropertyValue(ctx, variables, atom, value, JS_PROP_C_W_E) >= 0;
    }
    JS_FreeAtom(ctx, atom);
    if (!is_set) {
      JS_FreeValue(ctx, variables);
      variables = JS_EXCEPTION;
    }
  }
  return variables;
}

/* random(): a number of 53 bits between 0 and 1, 1 not included. */
FUNCTION(host_random) {
  uint64_t bits;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) abort();
  return JS_NewFloat64(ctx, (double)(bits >> 11) * 0x1p-53);
}

/* kernelRelease(): what uname(2) says, `6.18.5`. */
FUNCTION(host_kernel_release) {
  struct utsname name;
  if (uname(&name) < 0) return JS_NewInt32(ctx, -errno);
  return JS_NewString(ctx, name.release);
}

/* userName(): of the effective user, from whatever name service there is. -ENOENT when it has none. */
FUNCTION(host_user_name) {
  size_t room = 1024;
  char *buffer = NULL;
  struct passwd entry, *found = NULL;
  int failure;
  do {
    char *larger = realloc(buffer, room *= 2);
    if (!larger) {
      free(buffer);
      return JS_NewInt32(ctx, -ENOMEM);
    }
    buffer = larger;
    failure = getpwuid_r(geteuid(), &entry, buffer, room, &found);
  } while (failure == ERANGE || failure == EINTR);
  JSValue name = found ? decode_text(ctx, (const uint8_t *)found->pw_name, strlen(found->pw_name))
                       : JS_NewInt32(ctx, failure == 0 ? -ENOENT : -failure);
  free(buffer);
  return name;
}

/* architecture(): as Node spells it. */
PURE_FUNCTION(host_architecture) {
#if defined(__x86_64__)
  return JS_NewString(ctx, "x64");
#elif defined(__aarch64__)
  return JS_NewString(ctx, "arm64");
#elif defined(__arm__)
  return JS_NewString(ctx, "arm");
#elif defined(__i386__)
  return JS_NewString(ctx, "ia32");
#elif defined(__riscv) && __riscv_xlen == 64
  return JS_NewString(ctx, "riscv64");
#elif defined(__loongarch__)
  return JS_NewString(ctx, "loong64");
#elif defined(__powerpc64__)
  return JS_NewString(ctx, "ppc64");
#elif defined(__s390x__)
  return JS_NewString(ctx, "s390x");
#elif defined(__mips__)
  return JS_NewString(ctx, "mipsel");
#else
#error "an architecture whose name Node's process.arch does not tell"
#endif
}

const struct binding host_bindings[] = {
    {"processId", host_process_id, 0},
    {"effectiveUserId", host_effective_user_id, 0},
    {"effectiveGroupId", host_effective_group_id, 0},
    {"workingDirectory", host_working_directory, 0},
    {"kill", host_kill, 2},
    {"environment", host_environment, 0},
    {"random", host_random, 0},
    {"kernelRelease", host_kernel_release, 0},
    {"userName", host_user_name, 0},
    {"architecture", host_architecture, 0},
    {0},
};
