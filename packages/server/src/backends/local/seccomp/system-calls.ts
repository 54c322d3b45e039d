/** A filter exists for these architectures, as Node names them. */
export type Architecture = "x64" | "arm64";

/**
 * Maps an architecture to a system call's number; a missing entry means that the architecture lacks
 * the call.
 */
export type CallNumbers = Readonly<Partial<Record<Architecture, number>>>;

const call = (x64: number, arm64?: number): CallNumbers => ({ x64, ...(arm64 !== undefined && { arm64 }) });

/** The filter refuses these system calls regardless of their arguments. */
export const refusedCalls = {
  // These calls use the kernel's keyrings: a sandbox inherits the session keyring of the user who
  // started the server.
  keyctl: call(250, 219),
  add_key: call(248, 217),
  request_key: call(249, 218),

  // These calls access memory and files of other processes.
  ptrace: call(101, 117),
  process_vm_readv: call(310, 270),
  process_vm_writev: call(311, 271),
  pidfd_getfd: call(438, 438),
  kcmp: call(312, 272),

  // These calls lead to large, young parts of the kernel that an agent does not need.
  bpf: call(321, 280),
  perf_event_open: call(298, 241),
  userfaultfd: call(323, 282),
  fanotify_init: call(300, 262),
  // Requests to io_uring are not system calls, so no filter sees them.
  io_uring_setup: call(425, 425),
  io_uring_enter: call(426, 426),
  io_uring_register: call(427, 427),

  // These calls change mounts and namespaces.
  mount: call(165, 40),
  umount2: call(166, 39),
  pivot_root: call(155, 41),
  chroot: call(161, 51),
  open_tree: call(428, 428),
  open_tree_attr: call(467, 467),
  move_mount: call(429, 429),
  fsopen: call(430, 430),
  fsconfig: call(431, 431),
  fsmount: call(432, 432),
  fspick: call(433, 433),
  mount_setattr: call(442, 442),
  setns: call(308, 268),
  // This call finds files by number, regardless of mounts.
  open_by_handle_at: call(304, 265),

  // These calls administer the machine.
  kexec_load: call(246, 104),
  kexec_file_load: call(320, 294),
  create_module: call(174),
  init_module: call(175, 105),
  finit_module: call(313, 273),
  delete_module: call(176, 106),
  query_module: call(178),
  get_kernel_syms: call(177),
  quotactl: call(179, 60),
  quotactl_fd: call(443, 443),
  nfsservctl: call(180, 42),
  acct: call(163, 89),
  swapon: call(167, 224),
  swapoff: call(168, 225),
  reboot: call(169, 142),
  syslog: call(103, 116),
  settimeofday: call(164, 170),
  clock_settime: call(227, 112),
  vhangup: call(153, 58),
  iopl: call(172),
  ioperm: call(173),
  modify_ldt: call(154),
  lookup_dcookie: call(212, 18),
  uselib: call(134),
  _sysctl: call(156),
} satisfies Readonly<Record<string, CallNumbers>>;

/** The arguments of these system calls decide the verdict. */
export const judgedCalls = {
  clone: call(56, 220),
  unshare: call(272, 97),
  personality: call(135, 92),
  ioctl: call(16, 29),
  socket: call(41, 198),
  socketpair: call(53, 199),
} satisfies Readonly<Record<string, CallNumbers>>;

/**
 * The flags of `clone3` are behind a pointer, where no filter can look. C libraries use `clone` if
 * `clone3` does not exist.
 */
export const clone3 = call(435, 435);
