/** Containers that share a device of the host under an address of their own (macvlan): made in the host's namespace, into the container's. */
import { SwarmtsError } from '@swarmts/lib';
import type { MacvlanSpec } from '@swarmts/netplugins';
import {
  addAddress,
  addRoute,
  closeFd,
  createLink,
  deleteLink,
  isNamespaceFile,
  type NetlinkSocket,
  openFile,
  type Request,
  setLink,
  withNetns,
} from 'vxlan-tools';
import { findLink, requireAll, withSocket } from './netns-links.js';

const LOOPBACK_INDEX = 1;

/** `home` is a socket in the host's namespace. Repeating it replaces what is there. */
export function attachMacvlan(home: NetlinkSocket, spec: MacvlanSpec): void {
  const parent = findLink(home, spec.parent);
  if (!parent) {
    throw new SwarmtsError(
      'not-found',
      `there is no device ${JSON.stringify(spec.parent)} on this node for a macvlan network: name one with -o parent=DEVICE`,
    );
  }
  detachDevice(spec.containerNetns, spec.iface);
  const netnsFd = openFile(spec.containerNetns, 0);
  const { iface: name, mac, mode } = spec;
  try {
    home.request(
      createLink({ kind: 'macvlan', name, mac, mode, parentIndex: parent.index, mtu: spec.mtu ?? parent.mtu, netnsFd }),
    );
  } finally {
    closeFd(netnsFd);
  }
  withNetns(spec.containerNetns, () => withSocket((s) => configure(s, spec)));
}

function configure(socket: NetlinkSocket, spec: MacvlanSpec): void {
  const index = findLink(socket, spec.iface)?.index ?? 0;
  const requests: Request[] = [setLink({ index: LOOPBACK_INDEX }, { up: true }), setLink({ index }, { up: true })];
  for (const { address, prefixLength, gateway } of spec.addresses) {
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    requests.push(addAddress({ index, address, prefixLength, noDad: true, replace: true }));
    if (gateway !== '') requests.push(addRoute({ destination: 'default', family, gateway, index }, true));
  }
  requireAll(socket.batch(requests));
}

export function detachDevice(netns: string, iface: string): void {
  if (!isNamespaceFile(netns)) return;
  withNetns(netns, () =>
    withSocket((s) => {
      const [error] = s.batch([deleteLink({ name: iface })]);
      if (error && error.code !== 'ENODEV') throw error;
    }),
  );
}
