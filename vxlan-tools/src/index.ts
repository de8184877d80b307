/** Linux networking from Node without spawning: rtnetlink, namespaces, mounts, processes and nftables. */
export * from './conntrack.js';
export { DatagramBatch } from './datagram-batch.js';
export * from './errors.js';
export type { NftLibrary } from './ffi.js';
export {
  closeFd,
  createMemoryFile,
  loadNftLibrary,
  makeFifo,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  openFile,
  pipe,
  rewind,
  sendSignal,
  setCloseOnExec,
  setStatusFlags,
} from './ffi.js';
export * from './inet-socket.js';
export * from './mount.js';
export * from './namespace.js';
export type { Attribute, Message, Request } from './netlink/message.js';
export type { BatchResult } from './netlink/socket.js';
export { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './netlink/socket.js';
export * from './nft.js';
export * from './packet-socket.js';
export * from './process.js';
export * from './rtnetlink/address.js';
export * from './rtnetlink/ip-address.js';
export * from './rtnetlink/link.js';
export * from './rtnetlink/neighbour.js';
export * from './rtnetlink/route.js';
export * from './rtnetlink/rule.js';
export * from './terminal.js';
export * from './wireguard/device.js';
export * from './wireguard/genetlink.js';
export * from './wireguard/uapi.js';
