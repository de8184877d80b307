/** What a network namespace has of VXLAN: devices, where their frames go, and the routes that lead there. Read-only. */
import type { Message, Request } from '../netlink/message.js';
import { NetlinkSocket } from '../netlink/socket.js';
import { dumpLinks, parseLink } from '../rtnetlink/link.js';
import { dumpFdb, dumpNeighbours, parseNeighbour } from '../rtnetlink/neighbour.js';
import { dumpRoutes, parseRoute } from '../rtnetlink/route.js';

export interface VxlanReport {
  readonly device: string;
  readonly vni: number;
  readonly port: number;
  readonly local: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly learning: boolean;
  /** "MAC > VTEP". */
  readonly fdb: readonly string[];
  /** "ADDRESS > MAC". */
  readonly neighbours: readonly string[];
  /** "DESTINATION via GATEWAY"; without a gateway the destination alone. */
  readonly routes: readonly string[];
}

export interface NamespaceReport {
  /** File of the namespace, '' for the one that was asked from. */
  readonly netns: string;
  readonly vxlans: readonly VxlanReport[];
}

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Of the namespace of the moment. */
export function readVxlans(): readonly VxlanReport[] {
  const socket = new NetlinkSocket();
  const list = <T>(request: Request, parse: (m: Message) => T | undefined): T[] =>
    socket.dump(request).flatMap((m) => parse(m) ?? []);
  try {
    const routes = FAMILIES.flatMap((f) => list(dumpRoutes(f), parseRoute));
    return list(dumpLinks(), parseLink).flatMap((link) => {
      if (!link.vxlan) return [];
      const { index, name, mtu, up, vxlan } = link;
      const neighbours = FAMILIES.flatMap((f) => list(dumpNeighbours(f, index), parseNeighbour));
      return {
        device: name,
        ...vxlan,
        mtu,
        up,
        fdb: list(dumpFdb(index), parseNeighbour)
          .filter((n) => n.index === index && n.address !== '')
          .map((n) => `${n.mac} > ${n.address}`)
          .sort(),
        neighbours: neighbours
          .filter((n) => n.index === index && n.mac !== '')
          .map((n) => `${n.address} > ${n.mac}`)
          .sort(),
        routes: routes
          .filter((r) => r.index === index)
          .map((r) => (r.gateway === '' ? r.destination : `${r.destination} via ${r.gateway}`))
          .sort(),
      };
    });
  } finally {
    socket.close();
  }
}
