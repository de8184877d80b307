/**
 * This node's encrypted tunnels: made when the first encrypted network comes, kept in step with peers and with the generation of
 * keys that the managers want, removed with the last network. Private keys never leave the kernel or `wireguard-go`; what is
 * in use is found there again after a restart.
 */
import { createHash } from 'node:crypto';
import { type Clock, SwarmtsError, sleep, type TimerHandle } from '@swarmts/lib';
import { DataPathKey, type NetworkPeer } from '@swarmts/proto';
import { type FoundTunnel, generationOf, planTunnels, type TunnelPlan, type TunnelsSpec } from './tunnel-plan.js';

/** What can encrypt on this node; '' is nothing. */
export type Encryption = 'kernel' | 'wireguard-go' | '';

export interface TunnelExecutor {
  encryption(): Promise<Encryption>;
  observeTunnels(netns: string): Promise<readonly FoundTunnel[]>;
  /** Makes, mends and removes devices; resolves to what is there then. */
  ensureTunnels(spec: TunnelsSpec): Promise<readonly FoundTunnel[]>;
  removeTunnels(netns: string): Promise<void>;
}

export interface TunnelSituation {
  /** This node's index. */
  readonly index: number;
  readonly peers: readonly NetworkPeer[];
  readonly dataPathPort: number;
  readonly mtu: number;
}

export interface EncryptedTunnelsOptions {
  readonly executor: TunnelExecutor;
  readonly netns: string;
  readonly clock: Clock;
  /** Told when other nodes have to know other keys. */
  readonly onKeys: (keys: readonly DataPathKey[]) => void;
  /** Told when it is time for `shakeHands`. */
  readonly onUnheard: () => void;
}

const START_ATTEMPTS = 60;
const START_RETRY_MS = 50;
/**
 * A handshake that both nodes begin at once, or that comes before the other node knows of this one, is tried again by WireGuard after five
 * seconds. Here it is begun anew sooner, so often.
 */
const HANDSHAKE_MS = 700;
const HANDSHAKE_ATTEMPTS = 6;

export class EncryptedTunnels {
  readonly #o: EncryptedTunnelsOptions;
  readonly #tag: string;
  #generation = 0;
  #retired: ReadonlyMap<number, number> = new Map();
  /** undefined until it is known what is there. */
  #keys: readonly DataPathKey[] | undefined;
  /** How often a handshake was begun anew, by the peer's key. */
  #begun = new Map<string, number>();
  #timer: TimerHandle | undefined;
  /** Perhaps: a daemon before this one may have made them. */
  #exists = true;

  constructor(options: EncryptedTunnelsOptions) {
    this.#o = options;
    this.#tag = createHash('sha256').update(options.netns).digest('hex').slice(0, 6);
  }

  get netns(): string {
    return this.#o.netns;
  }

  get keys(): readonly DataPathKey[] | undefined {
    return this.#keys;
  }

  /** Which generation of keys the managers want. True when that is news. */
  setGeneration(generation: number): boolean {
    if (generation === this.#generation) return false;
    this.#generation = generation;
    return true;
  }

  /** Brings the tunnels in line; resolves when this node can receive. */
  async ensure(s: TunnelSituation): Promise<void> {
    this.#exists = true;
    const before = await this.#o.executor.observeTunnels(this.#o.netns);
    const plan = this.#plan(s, before);
    let found = await this.#o.executor.ensureTunnels(plan.spec);
    this.#retired = plan.retired;
    this.#announce(plan, found);
    this.#awaitHandshakes(plan);
    for (let attempt = 1; ; attempt++) {
      const deaf = found.find((f) => !f.listening);
      if (!deaf) return;
      if (attempt > START_ATTEMPTS) throw portTaken(deaf.port);
      await sleep(this.#o.clock, START_RETRY_MS);
      found = await this.#o.executor.observeTunnels(this.#o.netns);
    }
  }

  /** Begins those handshakes anew that have come to nothing: a peer that is taken out and put in again is greeted at once. */
  async shakeHands(s: TunnelSituation): Promise<void> {
    const plan = this.#plan(s, await this.#o.executor.observeTunnels(this.#o.netns));
    const unheard = this.#unheardOf(plan);
    if (unheard.length === 0) return;
    const countOf = (key: string) => (this.#begun.get(key) ?? 0) + (unheard.includes(key) ? 1 : 0);
    this.#begun = new Map(plan.unheard.map((key) => [key, countOf(key)]));
    const devices = plan.spec.devices.map((d) => ({
      ...d,
      peers: d.peers.filter((p) => !unheard.includes(p.publicKey)),
    }));
    await this.#o.executor.ensureTunnels({ ...plan.spec, devices });
    await this.ensure(s);
  }

  #unheardOf(plan: TunnelPlan): readonly string[] {
    return plan.unheard.filter((key) => (this.#begun.get(key) ?? 0) < HANDSHAKE_ATTEMPTS);
  }

  #awaitHandshakes(plan: TunnelPlan): void {
    if (this.#timer || this.#unheardOf(plan).length === 0) return;
    this.#timer = this.#o.clock.after(HANDSHAKE_MS, () => {
      this.#timer = undefined;
      this.#o.onUnheard();
    });
  }

  /** There is no encrypted network on this node any more. */
  async remove(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.#exists) return;
    await this.#o.executor.removeTunnels(this.#o.netns);
    this.#exists = false;
    this.#retired = new Map();
    this.#tell([]);
  }

  #plan(s: TunnelSituation, found: readonly FoundTunnel[]): TunnelPlan {
    return planTunnels({
      ...s,
      netns: this.#o.netns,
      tag: this.#tag,
      generation: this.#generation,
      found,
      retired: this.#retired,
      nowMs: this.#o.clock.monotonic(),
    });
  }

  #announce(plan: TunnelPlan, found: readonly FoundTunnel[]): void {
    this.#tell(
      found
        .map((f) => DataPathKey.create({ generation: generationOf(f.name), publicKey: f.publicKey, port: f.port }))
        .filter((k) => plan.announced.includes(k.generation))
        .sort((a, b) => a.generation - b.generation),
    );
  }

  #tell(keys: readonly DataPathKey[]): void {
    if (JSON.stringify(keys) === JSON.stringify(this.#keys)) return;
    this.#keys = keys;
    this.#o.onKeys(keys);
  }
}

export function portTaken(port: number): SwarmtsError {
  return new SwarmtsError(
    'unavailable',
    `the encrypted data path cannot receive at UDP port ${port}: is the port in use by another program?`,
  );
}

/** What to do where a node is to take part in an encrypted network and cannot. */
export const NO_ENCRYPTION =
  'install the package wireguard-go (and see that there is a /dev/net/tun), or a kernel with WireGuard';
