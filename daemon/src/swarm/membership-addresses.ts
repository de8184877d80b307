/** The addresses that a node has as a member of a swarm, from what its user says and what the machine has. Pure. */
import {
  type Interfaces,
  joinHostPort,
  resolveAdvertiseAddr,
  resolveDataPathAddr,
  resolveListenAddr,
} from './addresses.js';

export interface AddressWishes {
  /** '' where nothing is wished. */
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
}

/** HOST:PORT; the data path's is an address alone. */
export type MemberAddresses = AddressWishes;

export function newAddresses(r: AddressWishes, defaultAdvertiseAddr: string, interfaces: Interfaces): MemberAddresses {
  const listen = resolveListenAddr(r.listenAddr, interfaces);
  const advertise = resolveAdvertiseAddr(r.advertiseAddr || defaultAdvertiseAddr, listen, interfaces);
  const dataPathAddr = resolveDataPathAddr(r.dataPathAddr, advertise, interfaces);
  return { listenAddr: joinHostPort(listen), advertiseAddr: joinHostPort(advertise), dataPathAddr };
}

/** Of a node that is a member already: what it had stays where nothing else is wished. */
export function movedAddresses(
  r: AddressWishes,
  before: MemberAddresses,
  defaultAdvertiseAddr: string,
  interfaces: Interfaces,
): MemberAddresses {
  const listenAddr = r.listenAddr || before.listenAddr;
  const advertiseAddr = r.advertiseAddr || defaultAdvertiseAddr || before.advertiseAddr;
  const listen = resolveListenAddr(listenAddr, interfaces);
  const advertise = resolveAdvertiseAddr(advertiseAddr, listen, interfaces);
  const addr = joinHostPort(advertise);
  const kept = r.dataPathAddr === '' && addr === before.advertiseAddr;
  const dataPathAddr = kept ? before.dataPathAddr : resolveDataPathAddr(r.dataPathAddr, advertise, interfaces);
  return { listenAddr: joinHostPort(listen), advertiseAddr: addr, dataPathAddr };
}
