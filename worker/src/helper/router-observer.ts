/** Reads a router's namespace for the planner: links, addresses, routes, neighbours, forwarding entries, rules. */
import {
  type FoundLink,
  type ObservedRouter,
  PEER_TABLE,
  UPLINK_DEVICE,
  UPLINK_TABLE,
  VXLAN_DEVICE,
} from '@swarmts/netplugins';
import {
  dumpAddresses,
  dumpFdb,
  dumpLinks,
  dumpNeighbours,
  dumpRoutes,
  dumpRules,
  type FoundNeighbour,
  type Link,
  MAIN_TABLE,
  type Message,
  type NetlinkSocket,
  neighbourState,
  parseAddress,
  parseLink,
  parseNeighbour,
  parseRoute,
  parseRule,
  type Request,
  routeProtocol,
} from 'vxlan-tools';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const LOOPBACK_INDEX = 1;

export interface Observation {
  readonly router: ObservedRouter;
  /** Index by name, for the steps. */
  readonly indexes: ReadonlyMap<string, number>;
}

export function observeRouter(socket: NetlinkSocket, hasIpv6: boolean): Observation {
  const list = <T>(request: Request, parse: (m: Message) => T | undefined): T[] =>
    socket.dump(request).flatMap((m) => parse(m) ?? []);
  const families = hasIpv6 ? FAMILIES : FAMILIES.slice(0, 1);
  const links = list(dumpLinks(), parseLink);
  const names = new Map(links.map((l) => [l.index, l.name]));
  const indexes = new Map(links.map((l) => [l.name, l.index]));
  const addresses = list(dumpAddresses(), parseAddress);
  const on = (name: string) => addresses.filter((a) => a.index === indexes.get(name)).map((a) => a.address);
  const vx = indexes.get(VXLAN_DEVICE);
  const routes = families.flatMap((family) =>
    [MAIN_TABLE, PEER_TABLE, UPLINK_TABLE].flatMap((table) =>
      listTable(socket, family, table).map((r) => ({ ...r, family, device: names.get(r.index) ?? '' })),
    ),
  );
  // Somebody may have flushed the route that came with an address, and it comes with no other.
  const isConnected = (address: string) =>
    routes.some(
      (r) =>
        r.protocol === routeProtocol.kernel &&
        r.device === UPLINK_DEVICE &&
        r.family === (address.includes(':') ? 'ipv6' : 'ipv4') &&
        !r.destination.startsWith('ff00:'),
    );
  const neighbours = vx === undefined ? [] : families.flatMap((f) => list(dumpNeighbours(f, vx), parseNeighbour));
  return {
    indexes,
    router: {
      loopbackIsUp: links.some((l) => l.index === LOOPBACK_INDEX && l.up),
      links: links.filter((l) => l.index !== LOOPBACK_INDEX).map(foundLink),
      gateways: on('lo').filter((a) => a !== '127.0.0.1' && a !== '::1'),
      uplinkAddresses: on(UPLINK_DEVICE).filter(isConnected),
      routes: routes
        .filter((r) => r.protocol === routeProtocol.static)
        .map(({ destination, family, device, gateway, table }) => ({ destination, family, device, gateway, table })),
      neighbours: neighbours
        .filter((n) => n.index === vx && isPermanent(n))
        .map(({ address, mac }) => ({ address, mac })),
      fdb:
        vx === undefined
          ? []
          : list(dumpFdb(vx), parseNeighbour)
              .filter((n) => n.index === vx && n.address !== '')
              .map(({ mac, address }) => ({ mac, vtep: address })),
      rules: families.flatMap((f) => list(dumpRules(f), parseRule)),
    },
  };
}

/** A table that nobody has put a route into does not exist: that is an empty list. */
function listTable(socket: NetlinkSocket, family: 'ipv4' | 'ipv6', table: number) {
  try {
    return socket.dump(dumpRoutes(family, table)).flatMap((m) => parseRoute(m) ?? []);
  } catch (e) {
    if (e instanceof Error && 'code' in e && e.code === 'ENOENT') return [];
    throw e;
  }
}

function foundLink(l: Link): FoundLink {
  const { name, up, mac, mtu, vxlan } = l;
  const forwards = l.ipv4.forwarding && l.ipv4.rpFilter === 0;
  return {
    name,
    up,
    mac,
    mtu,
    forwards,
    ...(vxlan ? { vxlan: { vni: vxlan.vni, port: vxlan.port, local: vxlan.local } } : {}),
  };
}

function isPermanent(n: FoundNeighbour): boolean {
  return (n.state & neighbourState.permanent) !== 0;
}
