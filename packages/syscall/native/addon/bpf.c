/* bpf(2), as far as the device program of a cgroup v2 group needs it: load, attach, replace, detach, look up. */
#include "addon.h"

#include <linux/bpf.h>
#include <string.h>

#ifndef BPF_F_REPLACE
#define BPF_F_REPLACE (1U << 2)
#endif

/* The kernel takes a union of any size and wants what it does not know to be zero. */
static int64_t call_bpf(int command, union bpf_attr *attributes) {
  int64_t result;
  do result = syscall(SYS_bpf, command, attributes, sizeof *attributes);
  while (result < 0 && (errno == EAGAIN || errno == EINTR));
  return result;
}

/* bpfLoadDeviceProgram(instructions, name) -> fd */
static napi_value load_device_program(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  size_t length = 0;
  uint8_t *instructions = arg_bytes(&args, 0, &length);
  CLEANUP_FREE char *name = arg_text(&args, 1);
  if (args_failed(&args)) return NULL;
  union bpf_attr attributes = {0};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = (uint64_t)(uintptr_t)instructions;
  attributes.insn_cnt = (uint32_t)(length / sizeof(struct bpf_insn));
  attributes.license = (uint64_t)(uintptr_t) "Apache";
  if (name) strncpy(attributes.prog_name, name, BPF_OBJ_NAME_LEN - 1);
  return result_value(env, call_bpf(BPF_PROG_LOAD, &attributes));
}

/* bpfAttachDeviceProgram(groupFd, programFd, replacedFd or -1): beside others' programs, all of which must agree */
static napi_value attach_device_program(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int group_fd = arg_int(&args, 0), program_fd = arg_int(&args, 1), replaced_fd = arg_int(&args, 2);
  if (args_failed(&args)) return NULL;
  union bpf_attr attributes = {0};
  attributes.target_fd = (uint32_t)group_fd;
  attributes.attach_bpf_fd = (uint32_t)program_fd;
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (replaced_fd >= 0) {
    attributes.attach_flags |= BPF_F_REPLACE;
    attributes.replace_bpf_fd = (uint32_t)replaced_fd;
  }
  return result_value(env, call_bpf(BPF_PROG_ATTACH, &attributes));
}

/* bpfDetachDeviceProgram(groupFd, programFd) */
static napi_value detach_device_program(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int group_fd = arg_int(&args, 0), program_fd = arg_int(&args, 1);
  if (args_failed(&args)) return NULL;
  union bpf_attr attributes = {0};
  attributes.target_fd = (uint32_t)group_fd;
  attributes.attach_bpf_fd = (uint32_t)program_fd;
  attributes.attach_type = BPF_CGROUP_DEVICE;
  return result_value(env, call_bpf(BPF_PROG_DETACH, &attributes));
}

/* bpfQueryDevicePrograms(groupFd) -> ids of the programs that are attached to the group itself */
static napi_value query_device_programs(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int group_fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  uint32_t ids[64]; /* the kernel's own limit of programs on one group, BPF_CGROUP_MAX_PROGS */
  union bpf_attr attributes = {0};
  attributes.query.target_fd = (uint32_t)group_fd;
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  attributes.query.prog_ids = (uint64_t)(uintptr_t)ids;
  attributes.query.prog_cnt = 64;
  if (call_bpf(BPF_PROG_QUERY, &attributes) < 0) return result_value(env, -1);
  int64_t numbers[64];
  uint32_t count = attributes.query.prog_cnt;
  for (uint32_t i = 0; i < count; i++) numbers[i] = ids[i];
  return array_value(env, numbers, count);
}

/* bpfOpenProgram(id) -> fd */
static napi_value open_program(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int64_t id = arg_int64(&args, 0);
  if (args_failed(&args)) return NULL;
  union bpf_attr attributes = {0};
  attributes.prog_id = (uint32_t)id;
  return result_value(env, call_bpf(BPF_PROG_GET_FD_BY_ID, &attributes));
}

/* bpfProgramName(programFd) -> name */
static napi_value program_name(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int program_fd = arg_int(&args, 0);
  if (args_failed(&args)) return NULL;
  struct bpf_prog_info facts = {0};
  union bpf_attr attributes = {0};
  attributes.info.bpf_fd = (uint32_t)program_fd;
  attributes.info.info_len = sizeof facts;
  attributes.info.info = (uint64_t)(uintptr_t)&facts;
  if (call_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) < 0) return result_value(env, -1);
  return text_value(env, facts.name, strnlen(facts.name, sizeof facts.name));
}

const struct export_entry bpf_exports[] = {
    {"bpfLoadDeviceProgram", load_device_program},
    {"bpfAttachDeviceProgram", attach_device_program},
    {"bpfDetachDeviceProgram", detach_device_program},
    {"bpfQueryDevicePrograms", query_device_programs},
    {"bpfOpenProgram", open_program},
    {"bpfProgramName", program_name},
    {0},
};
