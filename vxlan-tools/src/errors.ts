/**
 * The error classes of the package. Every failure of the kernel carries the positive errno and its name, so callers
 * decide on `code === 'EEXIST'` and never on message texts.
 */
import { constants } from 'node:os';

const namesByErrno = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) {
  if (!namesByErrno.has(value)) namesByErrno.set(value, name);
}

/** 'ENOENT' for 2; 'E123' for a number that has no name here. */
export function errnoName(errno: number): string {
  return namesByErrno.get(errno) ?? `E${errno}`;
}

/** A libc call that failed. */
export class SystemCallError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, errno: number, subject = '') {
    super(`${syscall}${subject === '' ? '' : ` ${subject}`}: ${errnoName(errno)}`);
    this.name = 'SystemCallError';
    this.errno = errno;
    this.code = errnoName(errno);
    this.syscall = syscall;
  }
}

/** A request that the kernel refused over netlink; `detail` is the kernel's own sentence (extended ack), or ''. */
export class NetlinkError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly detail: string;
  /** What was asked for, e.g. "create link veth0". */
  readonly operation: string;

  constructor(errno: number, operation: string, detail = '') {
    super(`${operation}: ${errnoName(errno)}${detail === '' ? '' : ` (${detail})`}`);
    this.name = 'NetlinkError';
    this.errno = errno;
    this.code = errnoName(errno);
    this.operation = operation;
    this.detail = detail;
  }
}

/** An nftables document or command that libnftables or the kernel refused. */
export class NftError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NftError';
  }
}

/** A shared library that is not installed. */
export class MissingLibraryError extends Error {
  readonly library: string;

  constructor(library: string, cause: unknown) {
    super(`${library} is not installed (Debian package libnftables1)`, { cause });
    this.name = 'MissingLibraryError';
    this.library = library;
  }
}
