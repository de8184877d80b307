/**
 * Encrypted tunnels in the kernel: WireGuard devices in a namespace of their own, whose UDP sockets stay in the host's. Where the
 * kernel has no WireGuard, `wireguard-go` stands in: a process per device that outlives daemon and helper, and ends with its device.
 * Private keys are made here and go nowhere but into the device.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import {
  type Encryption,
  type FoundTunnel,
  KERNEL_RULES,
  NO_ENCRYPTION,
  portTaken,
  type TunnelDevice,
  type TunnelsSpec,
} from '@swarmts/netplugins';
import {
  addAddress,
  addRoute,
  addRule,
  askUapi,
  closeFd,
  createLink,
  createNetns,
  deleteLink,
  deleteNetns,
  deleteRoute,
  dumpLinks,
  dumpRoutes,
  dumpRules,
  dumpWireguard,
  encodeUapiSet,
  findProgram,
  formatEndpoint,
  genetlinkFamily,
  isNamespaceFile,
  type Link,
  MAIN_TABLE,
  NETLINK_GENERIC,
  NetlinkError,
  NetlinkSocket,
  newPrivateKey,
  openFile,
  parseLink,
  parseRoute,
  parseRule,
  parseUapi,
  parseWireguard,
  planPeers,
  type Reaper,
  type Request,
  routeProtocol,
  setLink,
  setWireguard,
  UAPI_GET,
  UapiError,
  uapiSocketPath,
  type WireguardChanges,
  type WireguardDevice,
  type WireguardPeer,
  withNetns,
} from 'vxlan-tools';
import { ensureSysctls } from './local-endpoint.js';
import { findLink, requireAll, withSocket } from './netns-links.js';
import { startDetached } from './run-process.js';
import { removeStaleSockets } from './stale-sockets.js';

const LOOPBACK_INDEX = 1;
/** Node's name of EOPNOTSUPP: the kernel knows no such device. */
const NOT_SUPPORTED = 'ENOTSUP';
const PROGRAM = 'wireguard-go';
const PROBE_NAME = 'swgprobe';
/** How long a new process may take until it answers. */
const START_ATTEMPTS = 100;
const START_RETRY_MS = 30;
/** In which a process hears of its device's MTU. */
const MTU_NEWS_MS = 50;
/** How often it is looked whether a process that ends has let go of its port. */
const END_ATTEMPTS = 30;

export class Tunnels {
  readonly #home: NetlinkSocket;
  readonly #reaper: Reaper;
  #family: number | undefined;

  /** `home` is a socket in the host's namespace. */
  constructor(home: NetlinkSocket, reaper: Reaper) {
    this.#home = home;
    this.#reaper = reaper;
  }

  /** Asking the kernel for a device loads its module, where there is one. What killed processes have left goes. */
  async encryption(): Promise<Encryption> {
    await removeStaleSockets(dirname(uapiSocketPath(DEVICE_PREFIX)), DEVICE_PREFIX);
    const [error] = this.#home.batch([createLink({ kind: 'wireguard', name: PROBE_NAME })]);
    if (error === undefined || error.code === 'EEXIST') {
      this.#home.batch([deleteLink({ name: PROBE_NAME })]);
      return 'kernel';
    }
    if (error.code !== NOT_SUPPORTED) throw error;
    return hasProgram() ? 'wireguard-go' : '';
  }

  async observe(netns: string): Promise<readonly FoundTunnel[]> {
    if (!isNamespaceFile(netns)) return [];
    const found: FoundTunnel[] = [];
    for (const link of devicesIn(netns)) {
      const device = await this.#readIfAlive(netns, link);
      if (!device || device.publicKey === '') continue;
      found.push({
        name: link.name,
        publicKey: device.publicKey,
        port: device.listenPort,
        listening: link.up && (link.kind === KERNEL_KIND || isBound(device.listenPort)),
        established: device.peers.filter((p) => p.lastHandshakeS > 0).map((p) => p.publicKey),
      });
    }
    return found;
  }

  async ensure(spec: TunnelsSpec): Promise<readonly FoundTunnel[]> {
    if (!isNamespaceFile(spec.netns)) createNetns(spec.netns, () => undefined);
    withNetns(spec.netns, () => prepare(spec.address));
    await this.#deleteOthers(spec);
    for (const device of spec.devices) await this.#ensureDevice(spec.netns, device);
    withNetns(spec.netns, () => withSocket((s) => setRoutes(s, spec)));
    // Nothing is on its way to them any more.
    for (const device of spec.devices) await this.#dropPeers(spec.netns, device);
    return this.observe(spec.netns);
  }

  /** Before others are made: where keys are renewed soon again, a device that goes has the port of one that comes. */
  async #deleteOthers(spec: TunnelsSpec): Promise<void> {
    const wanted = new Map(spec.devices.map((d) => [d.name, d.port]));
    const links = devicesIn(spec.netns);
    const others = links.filter((l) => !wanted.has(l.name));
    if (others.length === 0) return;
    withNetns(spec.netns, () => withSocket((s) => setRoutes(s, spec)));
    for (const link of others) this.#delete(spec.netns, link.name);
    // A process lets go of its port as it ends. Whose port is another program's is told when the device is made.
    const missing = [...wanted].filter(([name]) => !links.some((l) => l.name === name)).map(([, port]) => port);
    for (let attempt = 1; attempt < END_ATTEMPTS && missing.some(isBound); attempt++) await pause(START_RETRY_MS);
  }

  /** Processes of `wireguard-go` end with their devices. */
  remove(netns: string): void {
    if (!isNamespaceFile(netns)) return;
    for (const link of devicesIn(netns)) this.#delete(netns, link.name);
    deleteNetns(netns);
  }

  async #ensureDevice(netns: string, d: TunnelDevice): Promise<void> {
    const link = devicesIn(netns).find((l) => l.name === d.name);
    const known = link && (await this.#readIfAlive(netns, link));
    if (link && !known) this.#delete(netns, d.name);
    if (!known) await this.#make(netns, d);
    const now = devicesIn(netns).find((l) => l.name === d.name);
    if (!now) throw new SwarmtsError('internal', `the tunnel ${d.name} is gone as soon as it is made`);
    const device = await this.#read(netns, now);
    const changes: WireguardChanges = {
      ...(device.publicKey === '' ? { privateKey: newPrivateKey() } : {}),
      ...(device.listenPort === d.port ? {} : { listenPort: d.port }),
      ...addedPeers(d, device),
    };
    if (Object.keys(changes).length > 0) await this.#change(netns, now, changes, d.port);
    if (!now.up || now.mtu !== d.mtu) {
      const up = setLink({ index: now.index }, { up: true, mtu: d.mtu });
      withNetns(netns, () => withSocket((s) => sayingPort(d.port, () => s.request(up))));
    }
  }

  async #dropPeers(netns: string, d: TunnelDevice): Promise<void> {
    const link = devicesIn(netns).find((l) => l.name === d.name);
    if (!link) return;
    const removedPeers = planPeers(wantedPeers(d), (await this.#read(netns, link)).peers)?.removedPeers ?? [];
    if (removedPeers.length > 0) await this.#change(netns, link, { removedPeers }, d.port);
  }

  /** Made in the host's namespace, where its socket stays, and moved. One that was left there half made is made anew. */
  async #make(netns: string, d: TunnelDevice): Promise<void> {
    const left = this.#home.batch([deleteLink({ name: d.name })])[0];
    if (left && left.code !== 'ENODEV') throw left;
    const [error] = this.#home.batch([createLink({ kind: 'wireguard', name: d.name, mtu: d.mtu })]);
    if (error && error.code !== NOT_SUPPORTED) throw error;
    if (error) await this.#startProcess(netns, d.name);
    const index = findLink(this.#home, d.name)?.index;
    if (index === undefined) throw new SwarmtsError('internal', `${PROGRAM} made no device ${d.name}`);
    const fd = openFile(netns, 0);
    try {
      this.#home.request(setLink({ index }, { mtu: d.mtu }));
      // It asks for the new MTU by the device's name: moved sooner, the device is not found, and packets are padded for another MTU.
      if (error) await pause(MTU_NEWS_MS);
      this.#home.request(setLink({ index }, { netnsFd: fd }));
    } finally {
      closeFd(fd);
    }
  }

  async #startProcess(netns: string, name: string): Promise<void> {
    if (!hasProgram()) throw new SwarmtsError('failed-precondition', `this node cannot encrypt: ${NO_ENCRYPTION}`);
    const log = `${netns}.log`;
    const env = { PATH: process.env.PATH ?? '', LOG_LEVEL: 'error' };
    startDetached({ argv: [PROGRAM, '-f', name], env, stdoutFile: log, stderrFile: log }, this.#reaper);
    for (let attempt = 1; ; attempt++) {
      const answer = await askUapi(uapiSocketPath(name), UAPI_GET).catch(() => undefined);
      if (answer !== undefined) return;
      if (attempt >= START_ATTEMPTS) {
        throw new SwarmtsError('unavailable', `${PROGRAM} ${name} did not start: see ${log}`);
      }
      await pause(START_RETRY_MS);
    }
  }

  async #read(netns: string, link: Link): Promise<WireguardDevice> {
    if (link.kind !== KERNEL_KIND) return parseUapi(await askUapi(uapiSocketPath(link.name), UAPI_GET));
    return withNetns(netns, () => withGenetlink((s) => parseWireguard(s.dump(dumpWireguard(this.#wg(s), link.name)))));
  }

  /** undefined where nobody serves the device any more. One that is only slow keeps its keys: a new one would have to be told to all. */
  async #readIfAlive(netns: string, link: Link): Promise<WireguardDevice | undefined> {
    try {
      return await this.#read(netns, link);
    } catch (e) {
      if (GONE.has(errnoOf(e))) return undefined;
      throw e;
    }
  }

  async #change(netns: string, link: Link, changes: WireguardChanges, port: number): Promise<void> {
    if (link.kind !== KERNEL_KIND) {
      const answer = await askUapi(uapiSocketPath(link.name), encodeUapiSet(changes));
      try {
        parseUapi(answer);
      } catch (e) {
        throw e instanceof UapiError && e.errno === EADDRINUSE ? portTaken(port) : e;
      }
      return;
    }
    withNetns(netns, () =>
      withGenetlink((s) => sayingPort(port, () => requireAll(s.batch(setWireguard(this.#wg(s), link.name, changes))))),
    );
  }

  #wg(socket: NetlinkSocket): number {
    this.#family ??= genetlinkFamily(socket, 'wireguard');
    return this.#family;
  }

  #delete(netns: string, name: string): void {
    withNetns(netns, () =>
      withSocket((s) => {
        const [error] = s.batch([deleteLink({ name })]);
        if (error && error.code !== 'ENODEV') throw error;
      }),
    );
  }
}

function wantedPeers(d: TunnelDevice): readonly WireguardPeer[] {
  return d.peers.map((p) => ({
    publicKey: p.publicKey,
    endpoint: formatEndpoint(p.endpoint),
    allowedIps: [p.address],
    keepaliveS: p.keepaliveS,
  }));
}

function addedPeers(d: TunnelDevice, found: WireguardDevice): Pick<WireguardChanges, 'peers'> {
  const peers = planPeers(wantedPeers(d), found.peers)?.peers ?? [];
  return peers.length > 0 ? { peers } : {};
}

/** The kernel takes the port when the device goes up, or when it is set on one that is. */
function sayingPort(port: number, fn: () => void): void {
  try {
    fn();
  } catch (e) {
    throw e instanceof NetlinkError && e.code === 'EADDRINUSE' ? portTaken(port) : e;
  }
}

/** What asking for a device fails with when its process has ended, or it was removed meanwhile. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENODEV']);
const EADDRINUSE = 98;
const KERNEL_KIND = 'wireguard';
const DEVICE_PREFIX = 'swg';

function devicesIn(netns: string): readonly Link[] {
  return withNetns(netns, () => withSocket((s) => s.dump(dumpLinks()).flatMap((m) => parseLink(m) ?? []))).filter((l) =>
    l.name.startsWith(DEVICE_PREFIX),
  );
}

/** Nothing is forwarded here: what is not for this node's address goes nowhere. */
function prepare(address: string): void {
  withSocket((s) => {
    requireAll(
      s.batch([
        setLink({ index: LOOPBACK_INDEX }, { up: true }),
        addAddress({ index: LOOPBACK_INDEX, address, prefixLength: 32, replace: true }),
      ]),
    );
  });
  // Two devices lead to each peer while keys are renewed.
  ensureSysctls({
    'net.ipv4.ip_forward': '0',
    'net.ipv4.conf.all.rp_filter': '0',
    'net.ipv4.conf.default.rp_filter': '0',
  });
}

/** Those over devices that are not there yet are left out. */
function setRoutes(socket: NetlinkSocket, spec: TunnelsSpec): void {
  const index = new Map(
    socket
      .dump(dumpLinks())
      .flatMap((m) => parseLink(m) ?? [])
      .map((l) => [l.name, l.index]),
  );
  const known = socket
    .dump(dumpRoutes('ipv4', MAIN_TABLE))
    .flatMap((m) => parseRoute(m) ?? [])
    .filter((r) => r.protocol === routeProtocol.static);
  const wanted = new Map(
    spec.routes.flatMap((r) => {
      const device = index.get(r.device);
      return device === undefined ? [] : [[r.destination, device]];
    }),
  );
  const requests: Request[] = [];
  for (const [destination, device] of wanted) {
    if (known.some((r) => r.destination === destination && r.index === device)) continue;
    requests.push(addRoute({ destination, index: device, source: spec.address }, true));
  }
  for (const r of known) {
    if (!wanted.has(r.destination)) requests.push(deleteRoute({ destination: r.destination, index: r.index }));
  }
  requireAll(socket.batch([...requests, ...missingRules(socket)]));
}

function missingRules(socket: NetlinkSocket): readonly Request[] {
  const known = socket.dump(dumpRules('ipv4')).flatMap((m) => parseRule(m) ?? []);
  return KERNEL_RULES.filter(
    (r) => r.family === 'ipv4' && !known.some((k) => k.priority === r.priority && k.table === r.table),
  ).map(addRule);
}

function withGenetlink<T>(fn: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket(NETLINK_GENERIC);
  try {
    return fn(socket);
  } finally {
    socket.close();
  }
}

function hasProgram(): boolean {
  try {
    findProgram(PROGRAM);
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether somebody has the UDP port in the host's namespace: `wireguard-go` takes it when its device is up. */
function isBound(port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/thread-self/net/udp', 'utf8')
    .split('\n')
    .some((line) => line.trim().split(/\s+/)[1]?.endsWith(suffix) === true);
}
