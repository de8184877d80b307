/**
 * The few system calls that Node lacks and unpacking needs: mknod, extended attributes, fchdir, syncfs. Paths are byte strings. Only child
 * processes load this file; the daemon itself makes none of these calls.
 */

import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const mknodCall = libc.func('int mknod(const uint8_t *path, uint32_t mode, uint64_t dev)');
const lsetxattrCall = libc.func(
  'int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
);
const lgetxattrCall = libc.func(
  'int64_t lgetxattr(const uint8_t *path, const uint8_t *name, _Out_ uint8_t *value, size_t size)',
);
const llistxattrCall = libc.func('int64_t llistxattr(const uint8_t *path, _Out_ uint8_t *list, size_t size)');
const fgetxattrCall = libc.func('int64_t fgetxattr(int fd, const uint8_t *name, _Out_ uint8_t *value, size_t size)');
const flistxattrCall = libc.func('int64_t flistxattr(int fd, _Out_ uint8_t *list, size_t size)');
const fchdirCall = libc.func('int fchdir(int fd)');
const syncfsCall = libc.func('int syncfs(int fd)');

/** The kernel's limit, of a value and of all names. */
const MAX_ATTRIBUTE_BYTES = 65536;
const S_IFMT = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

export function mknod(path: Buffer, type: keyof typeof S_IFMT, mode: number, major = 0, minor = 0): void {
  check('mknod', mknodCall(cString(path), S_IFMT[type] | mode, makeDevice(major, minor)), path);
}

export function lsetxattr(path: Buffer, name: string, value: string): void {
  const bytes = Buffer.from(value, 'latin1');
  check('lsetxattr', lsetxattrCall(cString(path), cString(Buffer.from(name, 'latin1')), bytes, bytes.length, 0), path);
}

/** The attribute as a byte string, undefined when it is not set. */
export function lgetxattr(path: Buffer, name: string): string | undefined {
  return attribute((value, size) => lgetxattrCall(cString(path), cString(Buffer.from(name, 'latin1')), value, size));
}

/** The same of an open file. */
export function fgetxattr(fd: number, name: string): string | undefined {
  return attribute((value, size) => fgetxattrCall(fd, cString(Buffer.from(name, 'latin1')), value, size));
}

/** The names of the attributes as byte strings; none where the file system has no attributes. */
export function llistxattr(path: Buffer): string[] {
  return namesIn(attribute((list, size) => llistxattrCall(cString(path), list, size)));
}

/** The same of an open file. */
export function flistxattr(fd: number): string[] {
  return namesIn(attribute((list, size) => flistxattrCall(fd, list, size)));
}

function attribute(get: (value: Buffer, size: number) => unknown): string | undefined {
  const value = Buffer.alloc(MAX_ATTRIBUTE_BYTES);
  const size = Number(get(value, value.length));
  return size < 0 ? undefined : value.toString('latin1', 0, size);
}

function namesIn(list = ''): string[] {
  return list.split('\0').filter((n) => n !== '');
}

/** Changes the working directory of the process, or of the thread where that has one of its own. */
export function fchdir(fd: number): void {
  check('fchdir', fchdirCall(fd), Buffer.from(`fd ${fd}`));
}

export function syncfs(fd: number): void {
  check('syncfs', syncfsCall(fd), Buffer.from(`fd ${fd}`));
}

/** glibc's encoding of a device number. */
export function makeDevice(major: number, minor: number): bigint {
  const [ma, mi] = [BigInt(major), BigInt(minor)];
  return (mi & 0xffn) | ((ma & 0xfffn) << 8n) | ((mi & ~0xffn) << 12n) | ((ma & ~0xfffn) << 32n);
}

function cString(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.from([0])]);
}

function check(call: string, result: number, path: Buffer): void {
  if (result === 0) return;
  const errno = koffi.errno();
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
  throw Object.assign(new Error(`${code}: ${text}, ${call} '${path.toString()}'`), { code, syscall: call });
}
