/**
 * UDP and TCP sockets made by hand, so that they can be made inside of a namespace window: Node opens its own ones later, when the
 * window is closed. The file descriptor goes to `dgram`'s bind({ fd }) or `net`'s listen({ fd }). IPv4.
 */
import {
  bindSocket,
  closeFd,
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
import { AF_INET, encodeAddress } from './rtnetlink/ip-address.js';

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

function bound(type: number, address: string, port: number, then: (fd: number) => void): BoundSocket {
  const fd = socket(AF_INET, type, 0);
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

/** struct sockaddr_in. */
function socketAddress(address: string, port: number): Buffer {
  const b = Buffer.alloc(16);
  b.writeUInt16LE(AF_INET, 0);
  b.writeUInt16BE(port, 2);
  encodeAddress(address).copy(b, 4);
  return b;
}
