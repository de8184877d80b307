/**
 * The encrypted tunnels that carry a node's encrypted networks, decided. Every node has one WireGuard device per generation of keys,
 * two while keys are renewed: the old one carries a peer's packets until the new one has been used in both directions, and goes
 * a while later. So nothing is lost, and nothing is ever sent in clear: where no tunnel leads to a peer there is no route. Pure.
 */
import type { NetworkPeer } from '@swarmts/proto';
import { familyOf, nextHopsOf } from './data-path.js';

/** How long a device that is not used any more still takes what peers send that have not noticed. */
export const RETIREMENT_MS = 10_000;
/** Keeps the way through firewalls open, and makes the first packet go out without anybody's traffic. */
const KEEPALIVE_S = 25;
const DEVICE_PREFIX = 'swg';
const ADDRESS_BITS = 32;

export interface TunnelPeer {
  readonly publicKey: string;
  readonly endpoint: { readonly address: string; readonly port: number };
  /** In the tunnel. */
  readonly address: string;
  readonly keepaliveS: number;
}

export interface TunnelDevice {
  readonly name: string;
  /** UDP port in the host's namespace. */
  readonly port: number;
  readonly mtu: number;
  readonly peers: readonly TunnelPeer[];
}

export interface TunnelsSpec {
  /** Namespace file; nothing but the devices is in there, so what is made in it sends and receives through them alone. */
  readonly netns: string;
  /** This node's address in the tunnels. */
  readonly address: string;
  /** Devices that are not listed go. */
  readonly devices: readonly TunnelDevice[];
  readonly routes: readonly { readonly destination: string; readonly device: string }[];
}

export interface FoundTunnel {
  readonly name: string;
  readonly publicKey: string;
  readonly port: number;
  /** Takes packets; a device of `wireguard-go` needs up to a second for that. */
  readonly listening: boolean;
  /** Keys of peers that the device has talked with. */
  readonly established: readonly string[];
}

export interface TunnelInput {
  readonly netns: string;
  /** Tells the devices of one machine's nodes apart: six characters. */
  readonly tag: string;
  /** This node's index. */
  readonly index: number;
  /** The others that take part in some encrypted network with this one. */
  readonly peers: readonly NetworkPeer[];
  /** As the managers want it; 0 when they have not said yet. */
  readonly generation: number;
  readonly dataPathPort: number;
  readonly mtu: number;
  readonly found: readonly FoundTunnel[];
  /** When a generation was found to be of no use any more. */
  readonly retired: ReadonlyMap<number, number>;
  readonly nowMs: number;
}

export interface TunnelPlan {
  readonly spec: TunnelsSpec;
  /** Generations that others are to know of. */
  readonly announced: readonly number[];
  /** Newest keys of peers that this node has not talked with by any key yet, where this node is to see to it, and not the peer. */
  readonly unheard: readonly string[];
  readonly retired: ReadonlyMap<number, number>;
}

/** Where the VXLAN of encrypted networks finds a node: outside of every pool, and only ever in tunnels. */
export function tunnelAddressOf(index: number): string {
  return nextHopsOf(index).ipv4;
}

/** Outer headers, WireGuard's own, its tag. */
export function wireguardBytes(underlay: string): number {
  return familyOf(underlay) === 'ipv4' ? 60 : 80;
}

export function generationOf(device: string): number {
  return Number(device.slice(device.indexOf('-') + 1));
}

export function planTunnels(input: TunnelInput): TunnelPlan {
  const found = new Map(input.found.map((f) => [generationOf(f.name), f]));
  // A swarm from a backup goes back: a node that did not would have no generation in common with new ones.
  const newest = input.generation > 0 ? input.generation : Math.max(1, ...found.keys());
  const retired = new Map<number, number>();
  const kept: number[] = [newest];
  const announced: number[] = [newest];
  const old = newest - 1;
  const device = found.get(old);
  if (device) {
    if (input.peers.some((p) => needs(p, old, newest, found.get(newest)))) announced.push(old);
    else retired.set(old, input.retired.get(old) ?? input.nowMs);
    const since = retired.get(old);
    if (since === undefined || input.nowMs - since < RETIREMENT_MS) kept.push(old);
  }
  const devices = kept.map((generation) => deviceOf(input, generation));
  return {
    spec: {
      netns: input.netns,
      address: tunnelAddressOf(input.index),
      devices,
      routes: input.peers.flatMap((p) => routeTo(input, p, kept, found)),
    },
    announced,
    unheard: input.peers.flatMap((p) => unheardKey(input, p, kept, found)),
    retired,
  };
}

/** One of two nodes sees to it: handshakes that both begin at once are those that fail. */
function unheardKey(
  input: TunnelInput,
  p: NetworkPeer,
  kept: readonly number[],
  found: ReadonlyMap<number, FoundTunnel>,
): readonly string[] {
  const key = keyOf(p, kept[0] ?? 0);
  if (!key || p.index < input.index || kept.some((g) => isEstablished(p, g, found.get(g)))) return [];
  return [key.publicKey];
}

/** Whether the peer is reached through the old generation alone, for now. */
function needs(p: NetworkPeer, old: number, newest: number, device: FoundTunnel | undefined): boolean {
  return keyOf(p, old) !== undefined && !isEstablished(p, newest, device);
}

function keyOf(p: NetworkPeer, generation: number) {
  return p.keys.find((k) => k.generation === generation);
}

function isEstablished(p: NetworkPeer, generation: number, device: FoundTunnel | undefined): boolean {
  const key = keyOf(p, generation);
  return key !== undefined && device?.established.includes(key.publicKey) === true;
}

function nameOf(input: TunnelInput, generation: number): string {
  return `${DEVICE_PREFIX}${input.tag}-${generation}`;
}

function deviceOf(input: TunnelInput, generation: number): TunnelDevice {
  return {
    name: nameOf(input, generation),
    // Behind the port of clear networks; neighbours in time have different ones.
    port: input.dataPathPort + 1 + (generation % 2),
    mtu: input.mtu,
    peers: input.peers.flatMap((p) => {
      const key = keyOf(p, generation);
      if (!key) return [];
      const endpoint = { address: p.addr, port: key.port };
      const address = `${tunnelAddressOf(p.index)}/${ADDRESS_BITS}`;
      return [{ publicKey: key.publicKey, endpoint, address, keepaliveS: KEEPALIVE_S }];
    }),
  };
}

/** The newest generation that has been used with the peer, else the newest that it has a key of. */
function routeTo(
  input: TunnelInput,
  p: NetworkPeer,
  kept: readonly number[],
  found: ReadonlyMap<number, FoundTunnel>,
): TunnelsSpec['routes'] {
  const usable = kept.filter((g) => keyOf(p, g) !== undefined);
  const best = usable.find((g) => isEstablished(p, g, found.get(g))) ?? usable[0];
  if (best === undefined) return [];
  return [{ destination: `${tunnelAddressOf(p.index)}/${ADDRESS_BITS}`, device: nameOf(input, best) }];
}
