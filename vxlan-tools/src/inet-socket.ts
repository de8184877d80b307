/**
 * UDP and TCP sockets made by hand, so that they can be made inside of a namespace window: Node opens its own ones later, when the
 * window is closed. The file descriptor goes to `dgram`'s bind({ fd }), `net`'s listen({ fd }) or new Socket({ fd }). IPv4 and IPv6.
 */
import { SystemCallError } from './errors.js';
import {
  bindSocket,
  closeFd,
  connectSocket,
  listenSocket,
  SO_REUSEADDR,
  SOCK_DGRAM_ASYNC,
  SOCK_STREAM_ASYNC,
  SOL_SOCKET,
  setSocketOption,
  socket,
  socketName,
} from './ffi.js';
import { u32 } from './netlink/message.js';
import { AF_INET, encodeAddress, familyOf } from './rtnetlink/ip-address.js';

export interface BoundSocket {
  readonly fd: number;
  readonly port: number;
}

/** A UDP socket in the namespace of the moment. Port 0 lets the kernel choose. */
export function bindUdp(address: string, port: number): BoundSocket {
  return bound(SOCK_DGRAM_ASYNC, address, port, () => undefined);
}

/** A TCP socket that listens in the namespace of the moment. Port 0 lets the kernel choose. */
export function listenTcp(address: string, port: number, backlog = 128): BoundSocket {
  return bound(SOCK_STREAM_ASYNC, address, port, (fd) => listenSocket(fd, backlog));
}

/** A TCP socket of the namespace of the moment that is being connected: the first one who reads or writes learns what becomes of it. */
export function connectTcp(address: string, port: number): number {
  const fd = socket(familyOf(address), SOCK_STREAM_ASYNC, 0);
  try {
    connectSocket(fd, socketAddress(address, port), `${address} port ${port}`);
  } catch (e) {
    if (e instanceof SystemCallError && e.code === 'EINPROGRESS') return fd;
    closeFd(fd);
    throw e;
  }
  return fd;
}

function bound(type: number, address: string, port: number, then: (fd: number) => void): BoundSocket {
  const fd = socket(familyOf(address), type, 0);
  try {
    setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, u32(1));
    bindSocket(fd, socketAddress(address, port));
    then(fd);
    return { fd, port: socketName(fd).readUInt16BE(2) };
  } catch (e) {
    closeFd(fd);
    throw e;
  }
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: string, port: number): Buffer {
  const family = familyOf(address);
  const b = Buffer.alloc(family === AF_INET ? 16 : 28);
  b.writeUInt16LE(family, 0);
  b.writeUInt16BE(port, 2);
  encodeAddress(address).copy(b, family === AF_INET ? 4 : 8);
  return b;
}
