/**
 * Whether published ports keep the client's address. It takes a rule on the way out of a device (netdev egress), which Linux has
 * since 5.16; before, the node that a client came to puts an address of its own in the client's place. Pure.
 */
import { nextHopsOf } from './data-path.js';

const FIRST_MAJOR = 5;
const FIRST_MINOR = 16;

/** `release`: as uname -r has it. One that cannot be read counts as new. */
export function keepsClientAddress(release: string): boolean {
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (major === '') return true;
  return Number(major) > FIRST_MAJOR || (Number(major) === FIRST_MAJOR && Number(minor) >= FIRST_MINOR);
}

/** What `info` says where it is not kept. */
export const CLIENT_ADDRESS_WARNING =
  'published ports show tasks an address of the node instead of the client\u2019s: that takes Linux 5.16 or newer';

/** The addresses that stand for clients of a node: outside of every pool, routed to that node. */
export function substitutesOf(index: number): { readonly ipv4: string; readonly ipv6: string } {
  return { ipv4: nextHopsOf(index).ipv4, ipv6: `fd53:5752::${index.toString(16)}` };
}
