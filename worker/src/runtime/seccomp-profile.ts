/**
 * The default seccomp profile: an allow list. Everything that is not listed fails with EPERM. The listed facts (which calls
 * are harmless, which belong to a capability, which arguments are dangerous) are those documented for Docker's default profile.
 */
import type { LinuxSeccomp, SeccompRule } from './oci-spec.js';

const EPERM = 1;
const ENOSYS = 38;
/**
 * All but 38 and 40: AF_ALG is the kernel's cryptography, whose faults lead out of containers, and sockets of virtual machines
 * (AF_VSOCK) reach the hypervisor, past every network namespace.
 */
const SOCKET_FAMILIES = [
  { value: 38, op: 'SCMP_CMP_LT' },
  { value: 39, op: 'SCMP_CMP_EQ' },
  { value: 40, op: 'SCMP_CMP_GT' },
] as const;
/** CLONE_NEW* without CLONE_NEWTIME: making namespaces needs CAP_SYS_ADMIN. */
const CLONE_NAMESPACE_FLAGS = 0x7e020000;
/** PER_LINUX, PER_LINUX32, UNAME26 and its combination, and the query value. */
const HARMLESS_PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** Calls that every container may make. Names the kernel or libseccomp does not know are ignored by the runtime. */
const ALWAYS = `
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime
clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close
close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait
epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid
getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid
getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname
getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get
ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64
madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall
mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64
sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit
set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt
shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat
uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
process_vm_readv process_vm_writev ptrace
`;

/** Calls that come with a capability. */
const WITH_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

const ARCHITECTURES: Readonly<
  Record<string, { readonly seccomp: readonly string[]; readonly extra: readonly string[] }>
> = {
  // Without x32, which Docker lists: distributions' kernels have it switched off, and its share of the filter costs 5 ms per start.
  x64: { seccomp: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'], extra: ['arch_prctl', 'modify_ldt'] },
  arm64: {
    seccomp: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
    extra: ['arm_fadvise64_64', 'arm_sync_file_range', 'sync_file_range2', 'breakpoint', 'cacheflush', 'set_tls'],
  },
  riscv64: { seccomp: ['SCMP_ARCH_RISCV64'], extra: ['riscv_flush_icache'] },
  loong64: { seccomp: ['SCMP_ARCH_LOONGARCH64'], extra: [] },
};

/** Most containers have the same capabilities. */
const known = new Map<string, LinuxSeccomp>();
const MOST_KNOWN = 64;

/** The profile for a container with these capabilities on a machine with this architecture (Node's name): the same object for the same ones. */
export function defaultSeccomp(capabilities: readonly string[], arch: string = process.arch): LinuxSeccomp {
  const key = [arch, ...capabilities].join();
  const before = known.get(key);
  if (before) return before;
  if (known.size >= MOST_KNOWN) known.clear();
  const profile = profileFor(capabilities, arch);
  known.set(key, profile);
  return profile;
}

function profileFor(capabilities: readonly string[], arch: string): LinuxSeccomp {
  const machine = ARCHITECTURES[arch] ?? { seccomp: [], extra: [] };
  const has = new Set(capabilities);
  const byCapability = Object.entries(WITH_CAPABILITY).flatMap(([cap, names]) => (has.has(cap) ? words(names) : []));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: machine.seccomp,
    syscalls: [
      { names: [...new Set([...words(ALWAYS), ...machine.extra, ...byCapability])], action: 'SCMP_ACT_ALLOW' },
      ...SOCKET_FAMILIES.map((family) => allowedIf('socket', family)),
      ...HARMLESS_PERSONALITIES.map((value) => allowedIf('personality', { value, op: 'SCMP_CMP_EQ' })),
      ...(has.has('CAP_SYS_ADMIN') ? [] : namespaceRules()),
    ],
  };
}

/** Allows a call whose first argument fits. */
function allowedIf(name: string, first: Omit<NonNullable<SeccompRule['args']>[number], 'index'>): SeccompRule {
  return { names: [name], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, ...first }] };
}

/** Threads and processes yes, namespaces no. clone3's flags are behind a pointer: ENOSYS makes libcs fall back to clone. */
function namespaceRules(): SeccompRule[] {
  const args = [{ index: 0, value: CLONE_NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' as const }];
  return [
    { names: ['clone'], action: 'SCMP_ACT_ALLOW', args },
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ];
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
