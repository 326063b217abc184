/* The init helper: receives an encoded plan, carries it out, becomes the container's process. argv[1] is the descriptor
 * number of the control socket, the highest that is open: the plan comes over it, and its descriptors get the next ones. */
#include "init.h"

#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/prctl.h>

static operation_function *const operations[] = {
    [OP_PAUSE] = pause_for_parent,
    [OP_JOIN_NAMESPACE] = join_namespace,
    [OP_UNSHARE] = unshare_namespaces,
    [OP_SET_TIME_OFFSET] = set_time_offset,
    [OP_FORK] = fork_child,
    [OP_JOIN_CGROUP] = join_cgroup,
    [OP_BECOME_ROOT] = become_root,
    [OP_SET_ROOT_PROPAGATION] = set_root_propagation,
    [OP_BIND_ROOT] = bind_root,
    [OP_MOUNT] = mount_operation,
    [OP_REMOUNT] = remount,
    [OP_MAKE_DEVICE] = make_device,
    [OP_SYMLINK] = make_symlink,
    [OP_OPEN_CONSOLE] = open_console,
    [OP_MASK_PATH] = mask_path,
    [OP_MAKE_PATH_READONLY] = make_path_readonly,
    [OP_ENTER_ROOT] = enter_root,
    [OP_SET_ROOT_READONLY] = set_root_readonly,
    [OP_SET_PROPAGATION] = set_propagation,
    [OP_SET_HOSTNAME] = set_hostname,
    [OP_SET_DOMAINNAME] = set_domainname,
    [OP_SET_SYSCTL] = set_sysctl,
    [OP_BRING_UP_LOOPBACK] = bring_up_loopback,
    [OP_SET_OOM_SCORE_ADJ] = set_oom_score_adj,
    [OP_JOIN_SESSION_KEYRING] = join_session_keyring,
    [OP_NEW_SESSION] = new_session,
    [OP_RAISE_RLIMIT] = raise_rlimit,
    [OP_SET_RLIMIT] = set_rlimit,
    [OP_SET_NO_NEW_PRIVILEGES] = set_no_new_privileges,
    [OP_SET_PERSONALITY] = set_personality,
    [OP_SET_SCHEDULER] = set_scheduler,
    [OP_SET_IO_PRIORITY] = set_io_priority,
    [OP_SET_MEMORY_POLICY] = set_memory_policy,
    [OP_SET_AFFINITY] = set_affinity,
    [OP_SET_LABEL] = set_label,
    [OP_SET_USER] = set_user,
    [OP_DROP_BOUNDING_CAPABILITIES] = drop_bounding_capabilities,
    [OP_SET_CAPABILITIES] = set_capabilities,
    [OP_SET_WORKING_DIRECTORY] = set_working_directory,
    [OP_LOAD_SECCOMP] = load_seccomp,
    [OP_FIND_EXECUTABLE] = find_executable,
    [OP_LOOK_UP_HOME] = look_up_home,
    [OP_AWAIT_START] = await_start,
    [OP_HOOK] = run_hook,
    [OP_EXEC] = exec_process,
    [OP_MAKE_DIRECTORY] = make_directory,
    [OP_OPEN_ROOT] = open_root,
    [OP_CLEAR_GROUPS] = clear_groups,
    [OP_JOIN_ROOT] = join_root,
};

result fail(struct init *init, result error, const char *call, const char *text) {
  init->failure.error = (int32_t)-error;
  init->failure.call[0] = '\0';
  text_append(init->failure.call, sizeof init->failure.call, call);
  if (text) {
    init->failure.text[0] = '\0';
    text_append(init->failure.text, sizeof init->failure.text, text);
  }
  return error;
}

/* The host's /proc as it is before the container has any say: looked at, not believed. */
static result open_proc(struct init *init) {
  struct {
    long type, rest[15];
  } filesystem = {0};
  init->proc_fd = (int)TRY(init, "open", "/proc", KERNEL(openat, AT_FDCWD, "/proc", O_PATH_ | O_DIRECTORY | O_CLOEXEC, 0));
  TRY(init, "fstatfs", "/proc", KERNEL(fstatfs, init->proc_fd, &filesystem));
  return filesystem.type == PROC_SUPER_MAGIC ? 0 : fail(init, -ENODEV, "fstatfs", "/proc is not procfs");
}

static result read_plan(struct init *init, struct cursor *plan, uint32_t *flags) {
  static struct plan_message message;
  TRY(init, "recvmsg", "plan", message_await_plan(init->report_fd, init->report_fd + 1, &message));
  result memory = (result)message.bytes, length = message.head.length;
  if (length == 0) {
    int plan_fd = init->report_fd + (int)message.head.fd_count;
    length = TRY(init, "lseek", "plan", KERNEL(lseek, plan_fd, 0, 2));
    if (length > PLAN_MAX_BYTES) return fail(init, -EFBIG, "plan", NULL);
    memory = TRY(init, "mmap", "plan", KERNEL(mmap, 0, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, plan_fd, 0));
    KERNEL(close, plan_fd);
  }
  /* A text takes at least five bytes of the plan, a pointer to it eight. */
  init->pointer_room = (size_t)length / 4 + 512;
  init->pointers = (const char **)TRY(init, "mmap", "pointers",
                                      KERNEL(mmap, 0, init->pointer_room * sizeof(char *), PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return TRY(init, "plan", NULL, plan_open(plan, (const void *)memory, (size_t)length, flags));
}

static result interpret(struct init *init) {
  struct cursor plan;
  uint32_t flags = 0;
  result status = read_plan(init, &plan, &flags);
  if (status < 0) return status;
  if (flags & PLAN_NOT_DUMPABLE) TRY(init, "prctl", NULL, KERNEL(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0));
  init->umask = (uint32_t)KERNEL(umask, 0);
  status = open_proc(init);
  if (status < 0) return status;
  for (;;) {
    struct operation operation;
    if (TRY(init, "plan", NULL, plan_next(&plan, &operation)) == 0) return fail(init, -EPROTO, "plan", "no exec");
    init->failure.index = operation.index;
    /* What an operation before found, and did without, says nothing of this one. */
    init->failure.text[0] = '\0';
    if (operation.code >= sizeof operations / sizeof operations[0] || !operations[operation.code])
      return fail(init, -EPROTO, "plan", "unknown operation");
    status = operations[operation.code](init, &operation.fields);
    if (status < 0) return status;
  }
}

static int parse_number(const char *text) {
  int number = 0;
  for (; *text >= '0' && *text <= '9' && number < 1 << 24; text++) number = number * 10 + (*text - '0');
  return *text == '\0' ? number : -1;
}

/* Entered from _start with the kernel's initial stack: argc, argv. */
__attribute__((noreturn, used)) void init_main(const long *stack) {
  static struct init init;
  init = (struct init){.report_fd = -1, .root_fd = -1, .proc_fd = -1, .null_fd = -1, .state_fd = -1,
                       .terminal_fd = -1, .empty_fd = -1, .device_dir_fd = -1};
  const char *const *arguments = (const char *const *)(stack + 1);
  int status = 1;
  if (stack[0] == 2) {
    init.report_fd = parse_number(arguments[1]);
    init.failure.kind = MESSAGE_FAILED;
    if (init.report_fd >= 0 && interpret(&init) < 0) {
      /* The root lets whoever started look at why an executable could not be executed. */
      bool late = text_equal(init.failure.call, "execve");
      message_send(init.report_fd, &init.failure, late ? init.root_fd : -1, -1);
    }
  } else {
    const char usage[] = "runlet-init: started by the runlet runtime only\n";
    KERNEL(write, 2, usage, sizeof usage - 1);
  }
  for (;;) KERNEL(exit_group, status);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call init_main\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl init_main\n");
#endif
