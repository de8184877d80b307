/**
 * Carries out what `planRouter` decides: makes and repairs the namespaces of networks, their devices, routes and rules. Everything
 * is derived from the specification and from what the kernel has, so that a crash in the middle is completed by the next call.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import {
  type EnsuredRouter,
  type LegSpec,
  MESH_DEVICE,
  planRouter,
  type RouterSpec,
  type RouterStep,
  UPLINK_DEVICE,
  type UplinkSpec,
  VXLAN_DEVICE,
  type VxlanSpec,
} from '@swarmts/netplugins';
import {
  addAddress,
  addRoute,
  addRule,
  closeFd,
  createLink,
  createNetns,
  deleteAddress,
  deleteFdb,
  deleteLink,
  deleteNeighbour,
  deleteNetns,
  deleteRoute,
  deleteRule,
  dumpAddresses,
  dumpLinks,
  ipv4Setting,
  isNamespaceFile,
  type NetlinkSocket,
  openFile,
  parseAddress,
  parseLink,
  type Request,
  type Route,
  setFdb,
  setLink,
  setNeighbour,
  withNetns,
} from 'vxlan-tools';
import { answerWhereAsked } from './former-default.js';
import type { HostForwarding } from './host-forwarding.js';
import { ensureSysctls, writeSysctls } from './local-endpoint.js';
import { findLink, gatewayMac, hasIpv6, requireAll, withSocket } from './netns-links.js';
import { observeRouter } from './router-observer.js';

const LOOPBACK_INDEX = 1;
const HOST_BITS = { ipv4: 32, ipv6: 128 } as const;
const UPLINK_BITS = { ipv4: 30, ipv6: 64 } as const;

export class Routers {
  readonly #home: NetlinkSocket;
  readonly #forwarding: HostForwarding;
  readonly #hasIpv6 = existsSync('/proc/sys/net/ipv6');

  /** `home` is a socket in the host's namespace. */
  constructor(home: NetlinkSocket, forwarding: HostForwarding) {
    this.#home = home;
    this.#forwarding = forwarding;
  }

  /** Makes the router as specified. */
  ensure(asked: RouterSpec): EnsuredRouter {
    const both = hasIpv6(asked.vxlan?.mtu ?? asked.uplink?.mtu ?? Number.POSITIVE_INFINITY);
    const spec = both || !asked.uplink ? asked : { ...asked, uplink: withoutIpv6(asked.uplink) };
    if (!isNamespaceFile(spec.netns)) createNetns(spec.netns, () => this.#prepare());
    const { steps, missingLegs } = withNetns(spec.netns, () => {
      ensureSysctls(this.#settings);
      return withSocket((socket) => planRouter(spec, observeRouter(socket, this.#hasIpv6).router));
    });
    for (const step of steps) {
      if (step.kind === 'make-vxlan' && spec.vxlan) this.#makeVxlan(spec.netns, spec.vxlan);
      else if (step.kind === 'make-uplink' && spec.uplink) this.#makeUplink(spec.netns, spec.uplink);
      else if (step.kind === 'delete-link') {
        withNetns(spec.netns, () => withSocket((s) => deleteIfThere(s, step.name)));
      } else if (step.kind === 'raise-loopback') withNetns(spec.netns, raiseLoopback);
    }
    if (spec.uplink) this.#ensureHostRoutes(spec.uplink);
    const rest = steps.filter((s) => !DEVICE_STEPS.has(s.kind));
    if (rest.length > 0)
      withNetns(spec.netns, () =>
        withSocket((s) =>
          this.#apply(
            s,
            rest.filter((step) => both || !isIpv6Step(step)),
          ),
        ),
      );
    return { missingLegs, madeVxlan: steps.some((s) => s.kind === 'make-vxlan') };
  }

  /** The kernel takes a namespace down in its own time; what leads into it from the host goes at once. */
  remove(netns: string): void {
    if (isNamespaceFile(netns)) withNetns(netns, () => withSocket((s) => deleteIfThere(s, UPLINK_DEVICE)));
    deleteNetns(netns);
  }

  /** Joins a container to a router: both ends of a veth pair, complete. Repeating it replaces what is there. */
  attach(spec: LegSpec): void {
    const routerFd = openFile(spec.routerNetns, 0);
    const make = () => withNetns(spec.containerNetns, () => withSocket((s) => this.#makeLeg(s, spec, routerFd)));
    try {
      if (!make()) {
        withNetns(spec.containerNetns, () => withSocket((s) => deleteIfThere(s, spec.iface)));
        withNetns(spec.routerNetns, () => withSocket((s) => deleteIfThere(s, spec.leg)));
        if (!make()) throw new SwarmtsError('internal', `interface ${spec.iface} or ${spec.leg} came back`);
      }
    } finally {
      closeFd(routerFd);
    }
    withNetns(spec.routerNetns, () => withSocket((s) => this.#configureLeg(s, spec)));
  }

  /** Takes one leg off a container that goes on. */
  detach(routerNetns: string, leg: string): void {
    if (!isNamespaceFile(routerNetns)) return;
    withNetns(routerNetns, () => withSocket((s) => deleteIfThere(s, leg)));
  }

  /** The MTU of the link that has the address; 0 when there is none. */
  underlayMtu(address: string): number {
    const addresses = this.#home.dump(dumpAddresses()).flatMap((m) => parseAddress(m) ?? []);
    const index = addresses.find((a) => a.address === address)?.index;
    const links = this.#home.dump(dumpLinks()).flatMap((m) => parseLink(m) ?? []);
    return links.find((l) => l.index === index)?.mtu ?? 0;
  }

  /** In a new namespace. */
  #prepare(): void {
    raiseLoopback();
    writeSysctls(this.#settings);
  }

  /** A router forwards, without the checks that the rules do better. */
  get #settings(): Readonly<Record<string, string>> {
    return {
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.rp_filter': '0',
      'net.ipv4.conf.default.rp_filter': '0',
      'net.ipv4.conf.all.send_redirects': '0',
      'net.ipv4.conf.default.send_redirects': '0',
      'net.ipv4.conf.all.accept_redirects': '0',
      ...(this.#hasIpv6
        ? {
            // What was lost when somebody turned it off is found missing after this.
            'net.ipv6.conf.all.disable_ipv6': '0',
            'net.ipv6.conf.all.forwarding': '1',
            'net.ipv6.conf.default.accept_ra': '0',
          }
        : {}),
    };
  }

  /** The device is made where its UDP socket is to stay, in the host's namespace or in that of the tunnels, and moved. */
  #makeVxlan(netns: string, v: VxlanSpec): void {
    const fd = openFile(netns, 0);
    try {
      if (v.underlay === '') makeAndMove(this.#home, v, fd);
      else withNetns(v.underlay, () => withSocket((s) => makeAndMove(s, v, fd)));
    } finally {
      closeFd(fd);
    }
    withNetns(netns, () =>
      withSocket((s) => {
        const inside = findLink(s, VXLAN_DEVICE)?.index ?? 0;
        s.request(setLink({ index: inside }, { up: true, mtu: v.mtu, mac: v.mac }));
      }),
    );
  }

  #makeUplink(netns: string, u: UplinkSpec): void {
    deleteIfThere(this.#home, MESH_DEVICE);
    withNetns(netns, (homeFd) =>
      withSocket((s) => {
        s.request(
          createLink({
            kind: 'veth',
            name: UPLINK_DEVICE,
            mtu: u.mtu,
            mac: UPLINK_MACS.router,
            peer: { name: MESH_DEVICE, mtu: u.mtu, mac: UPLINK_MACS.host, netnsFd: homeFd },
          }),
        );
        const index = findLink(s, UPLINK_DEVICE)?.index ?? 0;
        requireAll(s.batch([setLink({ index }, { up: true }), ...uplinkAddressing(index, u.routerAddresses)]));
      }),
    );
    this.#configureHostEnd(findLink(this.#home, MESH_DEVICE)?.index ?? 0, u);
  }

  #configureHostEnd(index: number, u: UplinkSpec): void {
    requireAll(
      this.#home.batch([
        setLink(
          { index },
          {
            up: true,
            ipv4: {
              [ipv4Setting.forwarding]: 1,
              [ipv4Setting.rpFilter]: 0,
              // 127.0.0.1 reaches published ports; the local rule set drops what arrives for 127/8.
              [ipv4Setting.routeLocalnet]: 1,
              [ipv4Setting.sendRedirects]: 0,
              [ipv4Setting.acceptRedirects]: 0,
            },
          },
        ),
        ...uplinkAddressing(index, hostHasIpv6(u) ? u.hostAddresses : withoutIpv6(u).hostAddresses),
      ]),
    );
  }

  #ensureHostRoutes(u: UplinkSpec): void {
    const index = findLink(this.#home, MESH_DEVICE)?.index;
    if (index === undefined) return;
    const both = hostHasIpv6(u);
    const routes = both ? u.hostRoutes : withoutIpv6(u).hostRoutes;
    if (!u.isUsed) {
      this.#deleteRoutes(routes.map((r) => ({ destination: r.subnet, index })));
      return;
    }
    for (const family of ['ipv4', 'ipv6'] as const) {
      if (routes.some((r) => r.subnet.includes(':') === (family === 'ipv6'))) this.#forwarding.require(family);
    }
    const add = () =>
      this.#home.batch(routes.map((r) => addRoute({ destination: r.subnet, gateway: r.gateway, index }, true)));
    if (this.#hasAddresses(index, (both ? u : withoutIpv6(u)).hostAddresses) && add().every((e) => e === undefined))
      return;
    // The device has lost its addresses, or is down.
    this.#configureHostEnd(index, u);
    requireAll(add());
  }

  /** A route of IPv6 is taken without them as well. */
  #hasAddresses(index: number, addresses: readonly string[]): boolean {
    const found = this.#home.dump(dumpAddresses()).flatMap((m) => parseAddress(m) ?? []);
    const own = new Set(found.filter((a) => a.index === index).map((a) => a.address));
    return addresses.every((a) => own.has(a));
  }

  #deleteRoutes(routes: readonly Route[]): void {
    const failed = this.#home.batch(routes.map((r) => deleteRoute(r))).filter((e) => e && !GONE.has(e.code));
    requireAll(failed);
  }

  #apply(socket: NetlinkSocket, steps: readonly RouterStep[]): void {
    const { indexes } = observeRouter(socket, this.#hasIpv6);
    const indexOf = (name: string) => indexes.get(name) ?? 0;
    const requests = steps.flatMap((s) => this.#request(s, indexOf));
    const deletions = new Set(steps.filter((s) => s.kind.startsWith('delete')).map((s) => s.kind));
    for (const error of socket.batch(requests)) {
      // What is to go may have gone by itself with its device.
      if (error && !(deletions.size > 0 && GONE.has(error.code) && error.operation.startsWith('delete'))) throw error;
    }
  }

  #request(s: RouterStep, indexOf: (name: string) => number): Request[] {
    const vx = indexOf(VXLAN_DEVICE);
    const lo = LOOPBACK_INDEX;
    switch (s.kind) {
      case 'raise-loopback':
      case 'make-vxlan':
      case 'make-uplink':
      case 'delete-link':
        return [];
      case 'mend-settings':
        return [setLink({ index: indexOf(s.device) }, { ipv4: ROUTER_SETTINGS })];
      case 'add-gateway':
        return [
          addAddress({ index: lo, address: s.address, prefixLength: bitsOf(s.address), noDad: true, replace: true }),
        ];
      case 'delete-gateway':
        return [deleteAddress(lo, s.address, bitsOf(s.address))];
      case 'set-neighbour':
        return [setNeighbour({ index: vx, address: s.address, mac: s.mac })];
      case 'delete-neighbour':
        return [deleteNeighbour(vx, s.address)];
      case 'set-fdb':
        return [setFdb({ index: vx, mac: s.mac, destination: s.vtep })];
      case 'delete-fdb':
        return [deleteFdb({ index: vx, mac: s.mac, destination: s.vtep })];
      case 'set-route': {
        const { device, ...route } = s.route;
        return [
          addRoute(
            { ...route, index: indexOf(device), onLink: route.gateway !== undefined && device === VXLAN_DEVICE },
            true,
          ),
        ];
      }
      case 'delete-route': {
        const { device, ...route } = s.route;
        return [deleteRoute(indexOf(device) === 0 ? route : { ...route, index: indexOf(device) })];
      }
      case 'add-rule':
        return [addRule(s.rule)];
      case 'delete-rule':
        return [deleteRule(s.rule)];
    }
  }

  /** In the container's namespace. The leg's other end appears in the router's. False when one of the names is taken. */
  #makeLeg(socket: NetlinkSocket, spec: LegSpec, routerFd: number): boolean {
    const routerMac = gatewayMac(spec.addresses[0]?.gateway ?? '0.0.0.0');
    const [taken] = socket.batch([
      createLink({
        kind: 'veth',
        name: spec.iface,
        mac: spec.mac,
        mtu: spec.mtu,
        peer: { name: spec.leg, mtu: spec.mtu, mac: routerMac, netnsFd: routerFd },
      }),
    ]);
    if (taken?.code === 'EEXIST') return false;
    if (taken) throw taken;
    const index = findLink(socket, spec.iface)?.index ?? 0;
    const requests: Request[] = [
      setLink({ index: LOOPBACK_INDEX }, { up: true }),
      setLink({ index }, { up: true, mtu: spec.mtu, noIpv6LinkLocal: hasIpv6(spec.mtu) }),
    ];
    for (const a of spec.addresses) {
      if (a.address.includes(':') && !hasIpv6(spec.mtu)) continue;
      const { address, prefixLength, gateway } = a;
      requests.push(
        addAddress({ index, address, prefixLength, noPrefixRoute: true, noDad: true, replace: true }),
        setNeighbour({ index, address: gateway, mac: routerMac }),
        addRoute({ destination: `${gateway}/${bitsOf(gateway)}`, index }, true),
        ...a.subnets.map((destination) => addRoute({ destination, gateway, index, source: address }, true)),
      );
      if (spec.isDefault) {
        const family = address.includes(':') ? 'ipv6' : 'ipv4';
        requests.push(addRoute({ destination: 'default', family, gateway, index, source: address }, true));
      }
    }
    if (spec.formerDefault) requests.push(...answerWhereAsked(socket, spec.formerDefault));
    requireAll(socket.batch(requests));
    return true;
  }

  #configureLeg(socket: NetlinkSocket, spec: LegSpec): void {
    const index = findLink(socket, spec.leg)?.index ?? 0;
    const requests: Request[] = [setLink({ index }, { up: true, mtu: spec.mtu, noIpv6LinkLocal: hasIpv6(spec.mtu) })];
    for (const { address } of spec.addresses) {
      if (address.includes(':') && !hasIpv6(spec.mtu)) continue;
      requests.push(
        setNeighbour({ index, address, mac: spec.mac }),
        addRoute({ destination: `${address}/${bitsOf(address)}`, index }, true),
      );
    }
    requireAll(socket.batch(requests));
  }
}

/** It may be turned off, while routers go on with it. */
function hostHasIpv6({ mtu }: UplinkSpec): boolean {
  const isOff = `/proc/sys/net/ipv6/conf/${MESH_DEVICE}/disable_ipv6`;
  return hasIpv6(mtu) && readFileSync(isOff, 'utf8').trim() === '0';
}

function makeAndMove(socket: NetlinkSocket, v: VxlanSpec, netnsFd: number): void {
  const name = `vx${v.vni}`;
  const { vni, port, local, mac, mtu } = v;
  deleteIfThere(socket, name);
  socket.request(createLink({ kind: 'vxlan', name, vni, port, local, mac, mtu, learning: false }));
  const index = findLink(socket, name)?.index ?? 0;
  try {
    socket.request(setLink({ index }, { netnsFd, newName: VXLAN_DEVICE }));
  } catch (e) {
    deleteIfThere(socket, name);
    throw e;
  }
}

/** In the namespace of the moment. */
function raiseLoopback(): void {
  withSocket((s) => s.request(setLink({ index: LOOPBACK_INDEX }, { up: true })));
}

/** By themselves, before all others. */
const DEVICE_STEPS: ReadonlySet<string> = new Set(['raise-loopback', 'make-vxlan', 'make-uplink', 'delete-link']);
const ROUTER_SETTINGS = { [ipv4Setting.forwarding]: 1, [ipv4Setting.rpFilter]: 0 } as const;
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'EADDRNOTAVAIL', 'ENODEV', 'EINVAL']);
const UPLINK_MACS = { host: '02:53:57:53:00:01', router: '02:53:57:53:00:02' } as const;

function withoutIpv6(u: UplinkSpec): UplinkSpec {
  return {
    ...u,
    hostAddresses: u.hostAddresses.filter(isIpv4),
    routerAddresses: u.routerAddresses.filter(isIpv4),
    hostRoutes: u.hostRoutes.filter((r) => isIpv4(r.subnet)),
  };
}

function uplinkAddressing(index: number, addresses: readonly string[]): Request[] {
  return addresses.map((address) => {
    const prefixLength = isIpv4(address) ? UPLINK_BITS.ipv4 : UPLINK_BITS.ipv6;
    return addAddress({ index, address, prefixLength, noDad: !isIpv4(address), replace: true });
  });
}

function isIpv4(address: string): boolean {
  return !address.includes(':');
}

function bitsOf(address: string): number {
  return address.includes(':') ? HOST_BITS.ipv6 : HOST_BITS.ipv4;
}

function isIpv6Step(s: RouterStep): boolean {
  if ('address' in s) return s.address.includes(':');
  if ('route' in s) return s.route.family === 'ipv6';
  return 'rule' in s && s.rule.family === 'ipv6';
}

function deleteIfThere(socket: NetlinkSocket, name: string): void {
  const [error] = socket.batch([deleteLink({ name })]);
  if (error !== undefined && error.code !== 'ENODEV') throw error;
}
