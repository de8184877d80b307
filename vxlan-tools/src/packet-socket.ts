/** The client's side of unix sockets that keep packets apart (SOCK_SEQPACKET, SOCK_DGRAM), which Node does not know. */
import { dirname, join } from 'node:path';
import { SystemCallError } from './errors.js';
import { closeFd, connectSocket, O_PATH, openFile, sendPacket, shutdownSocket, socket } from './ffi.js';

const AF_UNIX = 1;
/** SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK. */
const SOCK_SEQPACKET_ASYNC = 5 | 0o2004000;
/** SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK. */
const SOCK_DGRAM_ASYNC = 2 | 0o2004000;
const SHUT_RD = 0;

export type PacketKind = 'connected' | 'datagram';

const SHUT_WR = 1;

/** Nothing will be read: the other side is told at once, so that it does not fill a buffer for nobody. */
export function connectPacketSocket(path: string, kind: PacketKind = 'connected'): number {
  // Names of sockets have 107 bytes; through a descriptor of the directory any path fits.
  const directory = openFile(dirname(path), O_PATH);
  try {
    const name = join(`/proc/self/fd/${directory}`, path.slice(dirname(path).length + 1));
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`${name}\0`)]);
    const fd = socket(AF_UNIX, kind === 'datagram' ? SOCK_DGRAM_ASYNC : SOCK_SEQPACKET_ASYNC, 0);
    try {
      connectSocket(fd, address, path);
      if (kind === 'connected') shutdownSocket(fd, SHUT_RD);
      return fd;
    } catch (e) {
      closeFd(fd);
      throw e;
    }
  } finally {
    closeFd(directory);
  }
}

/** False when there is no room at the moment. */
export function trySendPacket(fd: number, data: Buffer): boolean {
  try {
    sendPacket(fd, data);
    return true;
  } catch (e) {
    if (e instanceof SystemCallError && e.code === 'EAGAIN') return false;
    throw e;
  }
}

/** Says that nothing more will be sent. */
export function endPackets(fd: number): void {
  shutdownSocket(fd, SHUT_WR);
}
