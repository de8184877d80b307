/**
 * The one FFI file: libc and libnftables through koffi, as thin typed functions. Nothing here decides anything; a
 * failing libc call throws SystemCallError with the errno of that very call. All calls are synchronous and happen on
 * the calling thread, which namespace switches rely on. File descriptors are always opened close-on-exec.
 */
import koffi from 'koffi';
import { MissingLibraryError, SystemCallError } from './errors.js';

const libc = koffi.load('libc.so.6');

/** Call signatures are declared once in C syntax; the casts below give each its TypeScript type. */
function bind<T extends (...args: never[]) => unknown>(prototype: string): T {
  // koffi types every function as (...args: any[]) => any: this border is where the real signature is named.
  return libc.func(prototype) as unknown as T;
}

type Int = number;
const c = {
  socket: bind<(domain: Int, type: Int, protocol: Int) => Int>('int socket(int domain, int type, int protocol)'),
  bind: bind<(fd: Int, addr: Buffer, len: Int) => Int>('int bind(int fd, const uint8_t *addr, uint32_t len)'),
  listen: bind<(fd: Int, backlog: Int) => Int>('int listen(int fd, int backlog)'),
  connect: bind<(fd: Int, addr: Buffer, len: Int) => Int>('int connect(int fd, const uint8_t *addr, uint32_t len)'),
  send: bind<(fd: Int, data: Buffer, len: Int, flags: Int) => Int>(
    'int64_t send(int fd, const uint8_t *data, size_t len, int flags)',
  ),
  shutdown: bind<(fd: Int, how: Int) => Int>('int shutdown(int fd, int how)'),
  mkfifo: bind<(path: string, mode: Int) => Int>('int mkfifo(const char *path, uint32_t mode)'),
  ioctl: bind<(fd: Int, request: Int, type: 'int' | 'uint8_t *', value: Int | Buffer) => Int>(
    'int ioctl(int fd, unsigned long request, ...)',
  ),
  getsockname: bind<(fd: Int, addr: Buffer, len: Buffer) => Int>(
    'int getsockname(int fd, _Out_ uint8_t *addr, _Inout_ uint32_t *len)',
  ),
  setsockopt: bind<(fd: Int, level: Int, name: Int, value: Buffer, len: Int) => Int>(
    'int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t len)',
  ),
  sendto: bind<(fd: Int, data: Buffer, len: Int, flags: Int, addr: Buffer, addrLen: Int) => Int>(
    'int64_t sendto(int fd, const uint8_t *data, size_t len, int flags, const uint8_t *addr, uint32_t addrlen)',
  ),
  recvmmsg: bind<(fd: Int, headers: Buffer, count: Int, flags: Int, timeout: null) => Int>(
    'int recvmmsg(int fd, void *headers, uint32_t count, int flags, void *timeout)',
  ),
  sendmmsg: bind<(fd: Int, headers: Buffer, count: Int, flags: Int) => Int>(
    'int sendmmsg(int fd, void *headers, uint32_t count, int flags)',
  ),
  recv: bind<(fd: Int, data: Buffer, len: Int, flags: Int) => Int>(
    'int64_t recv(int fd, uint8_t *data, size_t len, int flags)',
  ),
  close: bind<(fd: Int) => Int>('int close(int fd)'),
  open: bind<(path: string, flags: Int, mode: Int) => Int>('int open(const char *path, int flags, uint32_t mode)'),
  setns: bind<(fd: Int, type: Int) => Int>('int setns(int fd, int nstype)'),
  unshare: bind<(flags: Int) => Int>('int unshare(int flags)'),
  mount: bind<
    (source: string, target: string, type: string | null, flags: bigint | number, data: string | null) => Int
  >('int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)'),
  umount2: bind<(target: string, flags: Int) => Int>('int umount2(const char *target, int flags)'),
  pipe2: bind<(fds: Buffer, flags: Int) => Int>('int pipe2(int *fds, int flags)'),
  memfdCreate: bind<(name: string, flags: Int) => Int>('int memfd_create(const char *name, uint32_t flags)'),
  lseek: bind<(fd: Int, offset: Int, whence: Int) => Int>('int64_t lseek(int fd, int64_t offset, int whence)'),
  fcntl: bind<(fd: Int, command: Int, type: 'int', value: Int) => Int>('int fcntl(int fd, int cmd, ...)'),
  waitpid: bind<(pid: Int, status: Buffer, options: Int) => Int>('int waitpid(int pid, int *status, int options)'),
  kill: bind<(pid: Int, signal: Int) => Int>('int kill(int pid, int sig)'),
  posixSpawn: bind<(pid: Buffer, path: string, actions: Buffer, attr: Buffer, argv: Buffer, envp: Buffer) => Int>(
    'int posix_spawn(int *pid, const char *path, const void *actions, const void *attr, const void *argv, const void *envp)',
  ),
  actionsInit: bind<(actions: Buffer) => Int>('int posix_spawn_file_actions_init(void *actions)'),
  actionsDestroy: bind<(actions: Buffer) => Int>('int posix_spawn_file_actions_destroy(void *actions)'),
  actionsDup2: bind<(actions: Buffer, fd: Int, target: Int) => Int>(
    'int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)',
  ),
  actionsOpen: bind<(actions: Buffer, fd: Int, path: string, flags: Int, mode: Int) => Int>(
    'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, uint32_t mode)',
  ),
  actionsClose: bind<(actions: Buffer, fd: Int) => Int>('int posix_spawn_file_actions_addclose(void *actions, int fd)'),
  actionsChdir: bind<(actions: Buffer, path: string) => Int>(
    'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
  ),
  attrInit: bind<(attr: Buffer) => Int>('int posix_spawnattr_init(void *attr)'),
  attrDestroy: bind<(attr: Buffer) => Int>('int posix_spawnattr_destroy(void *attr)'),
  attrSetFlags: bind<(attr: Buffer, flags: Int) => Int>('int posix_spawnattr_setflags(void *attr, int16_t flags)'),
  attrSetSigDefault: bind<(attr: Buffer, set: Buffer) => Int>(
    'int posix_spawnattr_setsigdefault(void *attr, const void *set)',
  ),
  attrSetSigMask: bind<(attr: Buffer, set: Buffer) => Int>(
    'int posix_spawnattr_setsigmask(void *attr, const void *set)',
  ),
};

function check(result: number, syscall: string, subject = ''): number {
  if (result < 0) throw new SystemCallError(syscall, koffi.errno(), subject);
  return result;
}

/** For the posix_spawn family, which returns the errno instead of setting it. */
function checkReturned(errno: number, syscall: string, subject = ''): void {
  if (errno !== 0) throw new SystemCallError(syscall, errno, subject);
}

export const AF_NETLINK = 16;
export const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
export const SOCK_STREAM_ASYNC = 1 | 0o2004000;
export const SOCK_DGRAM_ASYNC = 2 | 0o2004000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
export const SOL_NETLINK = 270;
export const CLONE_NEWNET = 0x40000000;
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_NOCTTY = 0o400;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;
export const MNT_DETACH = 2;
export const WNOHANG = 1;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11;
const SEEK_SET = 0;
const F_SETFD = 2;
const F_SETFL = 4;
const FD_CLOEXEC = 1;
const MFD_CLOEXEC = 1;

export function socket(domain: number, type: number, protocol: number): number {
  return check(c.socket(domain, type, protocol), 'socket');
}
export function bindSocket(fd: number, address: Buffer): void {
  check(c.bind(fd, address, address.length), 'bind');
}
export function listenSocket(fd: number, backlog: number): void {
  check(c.listen(fd, backlog), 'listen');
}
/** The bytes of a socket's own address. */
export function socketName(fd: number): Buffer {
  const address = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length, 0);
  check(c.getsockname(fd, address, length), 'getsockname');
  return address.subarray(0, length.readUInt32LE(0));
}
export function setSocketOption(fd: number, level: number, name: number, value: Buffer): void {
  check(c.setsockopt(fd, level, name, value, value.length), 'setsockopt');
}
/** Many datagrams by one call, each as its struct mmsghdr says. How many were received; 0 when none is waiting. */
export function receiveMany(fd: number, headers: Buffer, count: number): number {
  const received = c.recvmmsg(fd, headers, count, MSG_DONTWAIT, null);
  if (received < 0 && koffi.errno() === EAGAIN) return 0;
  return check(received, 'recvmmsg');
}
/** How many were sent: fewer than asked for when the socket has no more room. */
export function sendMany(fd: number, headers: Buffer, count: number): number {
  const sent = c.sendmmsg(fd, headers, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && koffi.errno() === EAGAIN) return 0;
  return check(sent, 'sendmmsg');
}
/** Where a buffer's bytes are. It must be kept for as long as the kernel or a structure knows the address. */
export function addressOf(buffer: Buffer): bigint {
  return koffi.address(buffer);
}
export function sendTo(fd: number, data: Buffer, address: Buffer): number {
  return check(c.sendto(fd, data, data.length, 0, address, address.length), 'sendto');
}
/** Length of the received datagram; larger than the buffer when the datagram was cut. */
export function receive(fd: number, into: Buffer): number {
  return check(c.recv(fd, into, into.length, MSG_TRUNC), 'recv');
}
export function closeFd(fd: number): void {
  check(c.close(fd), 'close');
}
export function openFile(path: string, flags: number, mode = 0o644): number {
  return check(c.open(path, flags | O_CLOEXEC, mode), 'open', path);
}
export function setNamespace(fd: number, type: number): void {
  check(c.setns(fd, type), 'setns');
}
export function unshare(flags: number): void {
  check(c.unshare(flags), 'unshare');
}
export function mount(source: string, target: string, type: string | null, flags: number, data: string | null): void {
  check(c.mount(source, target, type, flags, data), 'mount', `${source} on ${target}`);
}
export function umount2(target: string, flags: number): void {
  check(c.umount2(target, flags), 'umount2', target);
}
/** [read end, write end], both close-on-exec. */
export function pipe(): [number, number] {
  const fds = Buffer.alloc(8);
  check(c.pipe2(fds, O_CLOEXEC), 'pipe2');
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}
/** An anonymous memory file. */
export function createMemoryFile(name: string): number {
  return check(c.memfdCreate(name, MFD_CLOEXEC), 'memfd_create');
}
export function rewind(fd: number): void {
  check(c.lseek(fd, 0, SEEK_SET), 'lseek');
}
/** Replaces O_APPEND, O_NONBLOCK and the like of an open file. */
export function setStatusFlags(fd: number, flags: number): void {
  check(c.fcntl(fd, F_SETFL, 'int', flags), 'fcntl');
}
export function connectSocket(fd: number, address: Buffer, subject: string): void {
  check(c.connect(fd, address, address.length), 'connect', subject);
}
/** Sends one packet whole. */
export function sendPacket(fd: number, data: Buffer): void {
  check(c.send(fd, data, data.length, MSG_NOSIGNAL), 'send');
}
export function shutdownSocket(fd: number, how: number): void {
  check(c.shutdown(fd, how), 'shutdown');
}
export function makeFifo(path: string, mode: number): void {
  check(c.mkfifo(path, mode), 'mkfifo', path);
}
/** ioctl(2) with a number. */
export function ioctlNumber(fd: number, request: number, value: number): number {
  return check(c.ioctl(fd, request, 'int', value), 'ioctl');
}
/** ioctl(2) with a buffer that the kernel reads. */
export function ioctlBuffer(fd: number, request: number, value: Buffer): number {
  return check(c.ioctl(fd, request, 'uint8_t *', value), 'ioctl');
}
export function setCloseOnExec(fd: number): void {
  check(c.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC), 'fcntl');
}
/** [pid, raw status]; pid 0 while the child lives. */
export function waitPid(pid: number, options: number): [pid: number, status: number] {
  const status = Buffer.alloc(4);
  const got = check(c.waitpid(pid, status, options), 'waitpid', String(pid));
  return [got, status.readInt32LE(0)];
}
export function sendSignal(pid: number, signal: number): void {
  check(c.kill(pid, signal), 'kill', String(pid));
}

export type FileAction =
  | { readonly kind: 'dup2'; readonly fd: number; readonly target: number }
  | { readonly kind: 'open'; readonly target: number; readonly path: string; readonly flags: number }
  | { readonly kind: 'close'; readonly target: number }
  | { readonly kind: 'chdir'; readonly path: string };

/** Room for posix_spawn_file_actions_t (80 bytes) and posix_spawnattr_t (336 bytes) of glibc and musl. */
const SPAWN_STRUCT_BYTES = 512;
const SIGSET_BYTES = 128;
export const POSIX_SPAWN_SETSIGDEF = 0x04;
export const POSIX_SPAWN_SETSIGMASK = 0x08;
export const POSIX_SPAWN_SETSID = 0x80;

/**
 * posix_spawn with every signal at its default and none blocked, in a session of its own. Returns the pid; a program
 * or directory that is missing throws ENOENT.
 */
export function posixSpawn(
  path: string,
  argv: readonly string[],
  env: readonly string[],
  fileActions: readonly FileAction[],
): number {
  const actions = Buffer.alloc(SPAWN_STRUCT_BYTES);
  const attr = Buffer.alloc(SPAWN_STRUCT_BYTES);
  const pid = Buffer.alloc(4);
  const args = stringArray(argv);
  const vars = stringArray(env);
  checkReturned(c.actionsInit(actions), 'posix_spawn_file_actions_init');
  try {
    checkReturned(c.attrInit(attr), 'posix_spawnattr_init');
    try {
      for (const action of fileActions) addFileAction(actions, action);
      c.attrSetFlags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
      c.attrSetSigDefault(attr, Buffer.alloc(SIGSET_BYTES, 0xff));
      c.attrSetSigMask(attr, Buffer.alloc(SIGSET_BYTES));
      checkReturned(c.posixSpawn(pid, path, actions, attr, args.pointers, vars.pointers), 'posix_spawn', path);
    } finally {
      c.attrDestroy(attr);
    }
  } finally {
    c.actionsDestroy(actions);
  }
  return pid.readInt32LE(0);
}

function addFileAction(actions: Buffer, action: FileAction): void {
  checkReturned(callFileAction(actions, action), 'posix_spawn_file_actions');
}

function callFileAction(actions: Buffer, action: FileAction): number {
  switch (action.kind) {
    case 'dup2':
      return c.actionsDup2(actions, action.fd, action.target);
    case 'open':
      return c.actionsOpen(actions, action.target, action.path, action.flags, 0o640);
    case 'close':
      return c.actionsClose(actions, action.target);
    case 'chdir':
      return c.actionsChdir(actions, action.path);
  }
}

/** A char** of any size. `text` holds the bytes that `pointers` points into: keep both until the call has returned. */
function stringArray(strings: readonly string[]): { readonly pointers: Buffer; readonly text: Buffer } {
  const text = Buffer.from(`${strings.join('\0')}\0`, 'utf8');
  const pointers = Buffer.alloc(8 * (strings.length + 1));
  if (strings.length === 0) return { pointers, text };
  let address = koffi.address(text);
  for (const [i, s] of strings.entries()) {
    if (s.includes('\0')) throw new SystemCallError('posix_spawn', 22, 'NUL byte in an argument');
    pointers.writeBigUInt64LE(address, 8 * i);
    address += BigInt(Buffer.byteLength(s, 'utf8') + 1);
  }
  return { pointers, text };
}

/** An opaque struct nft_ctx. */
export type NftHandle = bigint;

export interface NftLibrary {
  open(): NftHandle | null;
  free(ctx: NftHandle): void;
  setOutputFlags(ctx: NftHandle, flags: number): void;
  /** 0 on success. The document need not end in NUL. */
  run(ctx: NftHandle, document: string): number;
  output(ctx: NftHandle): string;
  error(ctx: NftHandle): string;
}

const NFT_LIBRARY = 'libnftables.so.1';

/** Loads libnftables; throws MissingLibraryError where it is not installed. */
export function loadNftLibrary(file: string = NFT_LIBRARY): NftLibrary {
  let lib: ReturnType<typeof koffi.load>;
  try {
    lib = koffi.load(file);
  } catch (e) {
    throw new MissingLibraryError(file, e);
  }
  const create = lib.func('void *nft_ctx_new(uint32_t flags)');
  const free = lib.func('void nft_ctx_free(void *ctx)');
  const bufferOutput = lib.func('int nft_ctx_buffer_output(void *ctx)');
  const bufferError = lib.func('int nft_ctx_buffer_error(void *ctx)');
  const setFlags = lib.func('void nft_ctx_output_set_flags(void *ctx, uint32_t flags)');
  const run = lib.func('int nft_run_cmd_from_buffer(void *ctx, const uint8_t *buffer)');
  const output = lib.func('const char *nft_ctx_get_output_buffer(void *ctx)');
  const error = lib.func('const char *nft_ctx_get_error_buffer(void *ctx)');
  return {
    open() {
      const ctx: NftHandle | null = create(0);
      if (!ctx) return null;
      if (bufferOutput(ctx) !== 0 || bufferError(ctx) !== 0) {
        free(ctx);
        return null;
      }
      return ctx;
    },
    free: (ctx) => void free(ctx),
    setOutputFlags: (ctx, flags) => void setFlags(ctx, flags),
    run: (ctx, document) => Number(run(ctx, Buffer.from(`${document}\0`, 'utf8'))),
    output: (ctx) => String(output(ctx) ?? ''),
    error: (ctx) => String(error(ctx) ?? ''),
  };
}
