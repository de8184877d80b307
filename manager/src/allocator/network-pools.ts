/**
 * The address pools of all networks on the leader: built from the store when leading begins, kept in step by what is
 * allocated and released. Owners are tasks and services (for their VIPs); each has one address per subnet at most.
 */
import { isSwarmtsError, parseIp, prefixContains, SubnetPool, SwarmtsError } from '@swarmts/lib';
import { isTerminal, type Network, observedState, type Service, type Task } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';

export class NetworkPools {
  readonly #pools = new Map<string, readonly SubnetPool[]>();

  /** Forgets everything and takes up what the store says is in use. Clashes there are reported, the first owner wins. */
  rebuild(tx: ReadTx, onClash: (e: unknown) => void): void {
    this.#pools.clear();
    for (const n of tx.list('network')) this.add(n);
    const claim = (networkId: string, owner: string, addresses: readonly string[]) => {
      if (!this.#pools.has(networkId)) return;
      try {
        this.claim(networkId, owner, addresses);
      } catch (e) {
        onClash(e);
      }
    };
    for (const s of tx.list('service')) for (const v of vipsByNetwork(s)) claim(v.networkId, s.id, v.addresses);
    for (const t of tx.list('task')) {
      if (!holdsAddresses(t)) continue;
      for (const a of t.networks) claim(a.network?.id ?? '', t.id, a.addresses);
    }
  }

  add(n: Network): void {
    if (this.#pools.has(n.id)) return;
    const pools = (n.ipam?.configs ?? []).map((c) => SubnetPool.of(c));
    this.#pools.set(n.id, pools);
  }

  remove(networkId: string): void {
    this.#pools.delete(networkId);
  }

  has(networkId: string): boolean {
    return this.#pools.has(networkId);
  }

  /** Addresses in use, all subnets together. */
  used(networkId: string): number {
    return this.#of(networkId).reduce((n, p) => n + p.used, 0);
  }

  /**
   * One address of each family with its prefix length ("10.0.1.5/24"), the ones in `wishes` where given. All or none: on
   * 'resource-exhausted' nothing is held.
   */
  allocate(networkId: string, owner: string, wishes: readonly string[] = []): readonly string[] {
    const pools = this.#of(networkId);
    const given: { readonly pool: SubnetPool; readonly address: string }[] = [];
    try {
      for (const wish of wishes) given.push(claimIn(pools, owner, wish));
      for (const family of [4, 6] as const) {
        if (given.some((g) => g.pool.subnet.family === family)) continue;
        const candidates = pools.filter((p) => p.subnet.family === family);
        if (candidates.length > 0) given.push(allocateIn(candidates, owner));
      }
    } catch (e) {
      for (const g of given) g.pool.release(owner);
      throw e;
    }
    return given.map((g) => `${g.address}/${g.pool.subnet.bits}`);
  }

  claim(networkId: string, owner: string, addresses: readonly string[]): void {
    for (const a of addresses) claimIn(this.#of(networkId), owner, a);
  }

  /** True when the owner held something. */
  release(networkId: string, owner: string): boolean {
    return (this.#pools.get(networkId) ?? []).map((p) => p.release(owner)).includes(true);
  }

  #of(networkId: string): readonly SubnetPool[] {
    const pools = this.#pools.get(networkId);
    if (!pools) throw new SwarmtsError('not-found', `network ${networkId} not found`);
    return pools;
  }
}

function claimIn(pools: readonly SubnetPool[], owner: string, wish: string) {
  const [text = ''] = wish.split('/');
  const pool = pools.find((p) => prefixContains(p.subnet, parseIp(text)));
  if (!pool) throw new SwarmtsError('invalid-argument', `address ${text} is in no subnet of the network`);
  return { pool, address: pool.claim(owner, text) };
}

function allocateIn(pools: readonly SubnetPool[], owner: string) {
  let full: unknown;
  for (const pool of pools) {
    try {
      return { pool, address: pool.allocate(owner) };
    } catch (e) {
      if (!isSwarmtsError(e, 'resource-exhausted')) throw e;
      full ??= e;
    }
  }
  throw full;
}

/** A task keeps its addresses until it has ended, whatever is desired of it. */
export function holdsAddresses(t: Task): boolean {
  return t.networks.length > 0 && !isTerminal(observedState(t));
}

export function vipsByNetwork(
  s: Service,
): readonly { readonly networkId: string; readonly addresses: readonly string[] }[] {
  const byNetwork = new Map<string, string[]>();
  for (const v of s.endpoint?.virtualIps ?? []) {
    byNetwork.set(v.networkId, [...(byNetwork.get(v.networkId) ?? []), v.addr]);
  }
  return [...byNetwork].map(([networkId, addresses]) => ({ networkId, addresses }));
}
