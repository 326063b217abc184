import type { Arch, LinuxSeccomp, LinuxSyscall } from "@runlet/spec";
import { syscallNames } from "../src/generated/syscall-table.ts";

// Profiles with the rules of Docker's and Podman's defaults, for a container with the default capabilities: as lists of what
// they leave out, for both allow by name nearly all that there is.

const sinceLinux65 =
  "cachestat fchmodat2 file_getattr file_setattr futex_requeue futex_wait futex_wake getxattrat listmount listxattrat " +
  "lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack mseal open_tree_attr removexattrat riscv_hwprobe " +
  "setxattrat statmount uprobe uretprobe";

const leftOutByBoth =
  "_sysctl acct add_key afs_syscall arch_prctl arm_fadvise64_64 arm_sync_file_range atomic_barrier atomic_cmpxchg_32 " +
  "bdflush bpf break breakpoint cachectl cacheflush chroot clock_settime clock_settime64 clone clone3 create_module " +
  "delete_module fanotify_init finit_module ftime get_kernel_syms get_tls getpagesize getpmsg gtty idle init_module ioperm " +
  "iopl kcmp kexec_file_load kexec_load lock lookup_dcookie migrate_pages modify_ldt move_pages mpx multiplexer nfsservctl " +
  "nice oldfstat oldlstat oldolduname oldstat olduname open_by_handle_at pciconfig_iobase pciconfig_read pciconfig_write " +
  "perf_event_open personality process_madvise prof profil putpmsg query_module quotactl quotactl_fd request_key " +
  "riscv_flush_icache rtas s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi " +
  "security set_mempolicy_home_node set_tls setdomainname sethostname settimeofday sgetmask spu_create spu_run ssetmask " +
  "stime stty subpage_prot swapcontext swapoff swapon switch_endian sync_file_range2 sys_debug_setcontext sysfs sysmips " +
  "syslog tuxcall ulimit uselib userfaultfd usr26 usr32 ustat vhangup vm86 vm86old vserver";

const leftOutByDocker =
  "fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount mount_setattr move_mount name_to_handle_at open_tree " +
  "pidfd_getfd pivot_root pkey_alloc pkey_free pkey_mprotect process_vm_readv process_vm_writev ptrace readdir reboot " +
  "set_mempolicy setns sigaction signal sigpending sigsuspend syscall timerfd umount umount2 unshare";

const leftOutByPodman =
  "futex_waitv io_pgetevents io_pgetevents_time64 io_uring_enter io_uring_register io_uring_setup socket vmsplice";

const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff];

function allExcept(...lists: string[]): string[] {
  const left = new Set(lists.join(" ").split(" "));
  return syscallNames.split(" ").filter((name) => !left.has(name));
}

function personalityRules(): LinuxSyscall[] {
  return personalities.map((value) => ({
    names: ["personality"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
  }));
}

/** What Docker and Podman let through besides, on some architectures only. */
function architectureRules(nativeArch: Arch): LinuxSyscall[] {
  const names: Partial<Record<Arch, string[]>> = {
    SCMP_ARCH_X86_64: ["arch_prctl", "modify_ldt"],
    SCMP_ARCH_AARCH64: [
      "arm_fadvise64_64",
      "arm_sync_file_range",
      "breakpoint",
      "cacheflush",
      "set_tls",
      "sync_file_range2",
    ],
    SCMP_ARCH_PPC64LE: ["sync_file_range2"],
    SCMP_ARCH_S390X: ["s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"],
  };
  const own = names[nativeArch];
  return own === undefined ? [] : [{ names: own, action: "SCMP_ACT_ALLOW" }];
}

/** The architectures that Docker and Podman add to the native one. */
export const subArchitectures: Partial<Record<Arch, Arch[]>> = {
  SCMP_ARCH_X86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  SCMP_ARCH_AARCH64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  SCMP_ARCH_MIPS64: ["SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64N32"],
  SCMP_ARCH_MIPSEL64: ["SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64N32"],
  SCMP_ARCH_S390X: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
};

/** The rules of Docker's default profile. */
export function dockerProfile(nativeArch: Arch): LinuxSeccomp {
  const flagsArgument = nativeArch === "SCMP_ARCH_S390X" ? 1 : 0;
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: subArchitectures[nativeArch] ?? [nativeArch],
    syscalls: [
      { names: allExcept(sinceLinux65, leftOutByBoth, leftOutByDocker), action: "SCMP_ACT_ALLOW" },
      { names: ["ptrace"], action: "SCMP_ACT_ALLOW" },
      ...personalityRules(),
      ...architectureRules(nativeArch),
      { names: ["chroot"], action: "SCMP_ACT_ALLOW" },
      {
        names: ["clone"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: flagsArgument, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      },
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: nativeArch.includes("MIPS") ? 89 : 38 },
    ],
  };
}

/** The rules of Podman's default profile. */
export function podmanProfile(nativeArch: Arch): LinuxSeccomp {
  const denied = (names: string): LinuxSyscall => ({ names: names.split(" "), action: "SCMP_ACT_ERRNO", errnoRet: 1 });
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    architectures: subArchitectures[nativeArch] ?? [nativeArch],
    syscalls: [
      denied(
        "bdflush io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl nice oldfstat oldlstat " +
          "oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write sgetmask ssetmask swapcontext " +
          "swapoff swapon sysfs uselib userfaultfd ustat vm86 vm86old vmsplice",
      ),
      {
        names: [...allExcept(sinceLinux65, leftOutByBoth, leftOutByPodman), "clone", "clone3", "syslog"],
        action: "SCMP_ACT_ALLOW",
      },
      ...personalityRules(),
      ...architectureRules(nativeArch),
      denied(
        "open_by_handle_at bpf fanotify_init lookup_dcookie perf_event_open quotactl setdomainname sethostname setns",
      ),
      { names: ["chroot"], action: "SCMP_ACT_ALLOW" },
      denied("delete_module finit_module init_module query_module acct kcmp process_madvise ioperm iopl"),
      denied("clock_settime clock_settime64 settimeofday stime vhangup"),
      {
        names: ["socket"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 22,
        args: [
          { index: 0, value: 16, op: "SCMP_CMP_EQ" },
          { index: 2, value: 9, op: "SCMP_CMP_EQ" },
        ],
      },
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 2, value: 9, op: "SCMP_CMP_NE" }] },
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 16, op: "SCMP_CMP_NE" }] },
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 2, value: 9, op: "SCMP_CMP_NE" }] },
    ],
  };
}
