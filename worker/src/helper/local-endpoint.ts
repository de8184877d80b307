/**
 * A container's leg of the node's local network. The host routes: the container has its address without a prefix route, a
 * route to the gateway and a default route; the host has the gateway's address and a /32 route on each leg, so there is no
 * bridge to flood or to learn, and strict reverse-path filtering lets a leg send from its own address only. Everything is
 * ensured rather than created: what a crash left behind is completed, what does not fit is replaced.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import type { SoundLeg } from '@swarmts/netplugins';
import {
  addAddress,
  addRoute,
  createLink,
  createNetns,
  deleteLink,
  deleteNetns,
  dumpAddresses,
  dumpLinks,
  dumpRoutes,
  ipv4Setting,
  isNamespaceFile,
  type Link,
  MAIN_TABLE,
  type Message,
  type NetlinkSocket,
  parseAddress,
  parseLink,
  parseRoute,
  type Request,
  routeProtocol,
  setLink,
  setNeighbour,
  withNetns,
} from 'vxlan-tools';
import { answerWhereAsked, hasMoved } from './former-default.js';
import type { LocalEndpointSpec } from './helper-api.js';
import type { HostForwarding } from './host-forwarding.js';
import { findLink, gatewayMac, hasIpv6, requireAll, withSocket } from './netns-links.js';

const LOOPBACK_INDEX = 1;
/** The index of the container's leg in a namespace that has nothing but its loopback. */
const FIRST_INDEX = 2;
const HOST_BITS = 32;
/** Of the filter by reverse paths. */
const STRICT = 1;

export class LocalEndpoints {
  readonly #home: NetlinkSocket;
  readonly #forwarding: HostForwarding;

  /** `home` is a socket in the host's namespace. */
  constructor(home: NetlinkSocket, forwarding: HostForwarding) {
    this.#home = home;
    this.#forwarding = forwarding;
  }

  attach(spec: LocalEndpointSpec): void {
    if (this.#ensureInside(spec, true)) return;
    createNetns(spec.netns, (homeFd) => this.#createInside(spec, homeFd));
    try {
      this.#configureHost(spec);
    } catch (e) {
      deleteNetns(spec.netns);
      throw e;
    }
  }

  /** As `attach`, but in a namespace that is there; false when it is not. A default route over another device stays. */
  repair(spec: LocalEndpointSpec): boolean {
    return this.#ensureInside(spec, false);
  }

  #ensureInside(spec: LocalEndpointSpec, takesDefault: boolean): boolean {
    if (!isNamespaceFile(spec.netns)) return false;
    withNetns(spec.netns, (homeFd) => this.#repairInside(spec, homeFd, takesDefault));
    this.#configureHost(spec);
    return true;
  }

  /** As far as the host's side shows. */
  soundLegs(): readonly SoundLeg[] {
    const host = `/${HOST_BITS}`;
    const addresses = this.#list(dumpAddresses(), parseAddress).filter((a) => !a.address.includes(':'));
    const gateways = new Map(addresses.map((a) => [a.index, a.address]));
    const links = this.#list(dumpLinks(), parseLink).filter((l) => isAsMade(l, gateways.get(l.index)));
    const mtus = new Map(links.map((l) => [l.index, l.mtu]));
    // A router of the internet has a million others.
    return this.#list(dumpRoutes('ipv4', MAIN_TABLE, routeProtocol.static), parseRoute)
      .filter((r) => r.gateway === '' && r.destination.endsWith(host))
      .flatMap((r) => {
        const mtu = mtus.get(r.index);
        return mtu === undefined ? [] : [{ address: r.destination.slice(0, -host.length), mtu }];
      });
  }

  #list<T>(request: Request, parse: (m: Message) => T | undefined): T[] {
    return this.#home.dump(request).flatMap((m) => parse(m) ?? []);
  }

  /** In the new namespace: everything in one message batch. */
  #createInside(spec: LocalEndpointSpec, homeFd: number): void {
    withSocket((socket) => {
      const steps = [
        setLink({ index: LOOPBACK_INDEX }, { up: true }),
        this.#vethRequest(spec, homeFd, FIRST_INDEX),
        ...this.#containerSteps(spec, FIRST_INDEX),
        addRoute(defaultRoute(spec, FIRST_INDEX)),
      ];
      const results = socket.batch(steps);
      if (results[1]?.code === 'EEXIST') {
        // The name is held by a leg whose container is gone and whose namespace the kernel has not yet taken down.
        this.#deleteHostLeg(spec.hostIface);
        requireAll(socket.batch(steps.slice(1)));
      } else {
        requireAll(results);
      }
    });
    writeSysctls(spec.sysctls ?? {});
  }

  /** In a namespace that exists: keeps a pair that fits, replaces one that does not. */
  #repairInside(spec: LocalEndpointSpec, homeFd: number, takesDefault: boolean): void {
    withSocket((socket) => {
      const found = findLink(socket, spec.containerIface);
      const fits = found !== undefined && this.#isPairOf(found, spec);
      if (found !== undefined && !fits) socket.request(deleteLink({ index: found.index }));
      if (!fits) {
        this.#deleteHostLeg(spec.hostIface);
        socket.request(this.#vethRequest(spec, homeFd));
      }
      const index = fits ? found.index : findLink(socket, spec.containerIface)?.index;
      if (index === undefined) throw new SwarmtsError('internal', `interface ${spec.containerIface} vanished`);
      requireAll(
        socket.batch([setLink({ index: LOOPBACK_INDEX }, { up: true }), ...this.#containerSteps(spec, index)]),
      );
      const [taken] = socket.batch([addRoute(defaultRoute(spec, index), takesDefault)]);
      if (taken && taken.code !== 'EEXIST') throw taken;
      if (hasMoved(socket)) requireAll(socket.batch(answerWhereAsked(socket, { ...spec, iface: spec.containerIface })));
    });
    writeSysctls(spec.sysctls ?? {});
  }

  #isPairOf(leg: Link, spec: LocalEndpointSpec): boolean {
    const host = findLink(this.#home, spec.hostIface);
    return (
      leg.kind === 'veth' && leg.mac === spec.mac.toLowerCase() && host !== undefined && host.index === leg.linkIndex
    );
  }

  #vethRequest(spec: LocalEndpointSpec, homeFd: number, index?: number): Request {
    return createLink({
      kind: 'veth',
      name: spec.containerIface,
      ...(index === undefined ? {} : { index }),
      mac: spec.mac,
      mtu: spec.mtu,
      peer: { name: spec.hostIface, mtu: spec.mtu, mac: gatewayMac(spec.gateway), netnsFd: homeFd },
    });
  }

  #containerSteps(spec: LocalEndpointSpec, index: number): Request[] {
    return [
      setLink({ index }, { up: true, mtu: spec.mtu, noIpv6LinkLocal: hasIpv6(spec.mtu) }),
      addAddress({
        index,
        address: spec.address,
        prefixLength: spec.prefixLength,
        noPrefixRoute: true,
        replace: true,
      }),
      setNeighbour({ index, address: spec.gateway, mac: gatewayMac(spec.gateway) }),
      addRoute({ destination: `${spec.gateway}/${HOST_BITS}`, index }, true),
    ];
  }

  #configureHost(spec: LocalEndpointSpec): void {
    const leg = findLink(this.#home, spec.hostIface);
    if (leg === undefined) throw new SwarmtsError('internal', `interface ${spec.hostIface} vanished`);
    this.#forwarding.require('ipv4');
    const { index } = leg;
    // By itself, before the others: a device that somebody has made too small for IPv6 takes no settings of it.
    if (leg.mtu !== spec.mtu) this.#home.request(setLink({ index }, { mtu: spec.mtu }));
    const mac = gatewayMac(spec.gateway);
    requireAll(
      this.#home.batch([
        setLink(
          { index },
          {
            up: true,
            mtu: spec.mtu,
            ...(leg.mac === mac ? {} : { mac }),
            noIpv6LinkLocal: hasIpv6(spec.mtu),
            ipv4: {
              [ipv4Setting.forwarding]: 1,
              // Strict: a container cannot send from an address that is not its own.
              [ipv4Setting.rpFilter]: STRICT,
              // 127.0.0.1 reaches published ports; what arrives for 127/8 from a leg is dropped by the rule set.
              [ipv4Setting.routeLocalnet]: 1,
              [ipv4Setting.sendRedirects]: 0,
              [ipv4Setting.acceptRedirects]: 0,
            },
          },
        ),
        addAddress({ index, address: spec.gateway, prefixLength: HOST_BITS, replace: true }),
        setNeighbour({ index, address: spec.address, mac: spec.mac }),
        addRoute({ destination: `${spec.address}/${HOST_BITS}`, index }, true),
      ]),
    );
  }

  #deleteHostLeg(name: string): void {
    const [error] = this.#home.batch([deleteLink({ name })]);
    if (error !== undefined && error.code !== 'ENODEV') throw error;
  }
}

/** What `#configureHost` makes of it. */
function isAsMade({ kind, up, mac, ipv4 }: Link, gateway: string | undefined): boolean {
  if (kind !== 'veth' || !up || gateway === undefined || mac !== gatewayMac(gateway)) return false;
  return ipv4.forwarding && ipv4.rpFilter === STRICT && ipv4.routeLocalnet;
}

function defaultRoute({ gateway }: LocalEndpointSpec, index: number) {
  return { destination: 'default', gateway, index } as const;
}

/** Creates a namespace with its loopback up and nothing else, or adopts one that is there. */
export function ensureLoopbackNetns(path: string, sysctls: Readonly<Record<string, string>>): void {
  const setUp = () => {
    withSocket((socket) => socket.request(setLink({ index: LOOPBACK_INDEX }, { up: true })));
    writeSysctls(sysctls);
  };
  if (isNamespaceFile(path)) withNetns(path, setUp);
  else createNetns(path, setUp);
}

/**
 * Writes sysctls in the namespace of the moment. Names are dotted; with slashes ("net/ipv4/conf/eth0.1/forwarding") a
 * component may contain dots, as with sysctl(8). Only those of the network are the namespace's own.
 */
export function writeSysctls(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const parts = sysctlParts(name);
    if (parts[0] !== 'net' || parts.some((p) => p === '' || p === '.' || p === '..')) {
      throw new SwarmtsError('invalid-argument', `sysctl ${JSON.stringify(name)} is not one of a network namespace`);
    }
    try {
      writeFileSync(`/proc/sys/${parts.join('/')}`, value);
    } catch (e) {
      throw new SwarmtsError('invalid-argument', `cannot set sysctl ${name} to ${JSON.stringify(value)}`, { cause: e });
    }
  }
}

/** As `writeSysctls`, of those alone that have another value. */
export function ensureSysctls(values: Readonly<Record<string, string>>): void {
  const differs = ([name, value]: [string, string]) =>
    readFileSync(`/proc/sys/${sysctlParts(name).join('/')}`, 'utf8').trim() !== value;
  writeSysctls(Object.fromEntries(Object.entries(values).filter(differs)));
}

function sysctlParts(name: string): string[] {
  return name.includes('/') ? name.split('/') : name.split('.');
}
