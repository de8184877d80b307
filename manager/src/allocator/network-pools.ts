/**
 * The address pools of all networks on the leader: built from the store when leading begins, kept in step by what is
 * allocated and released. Owners are tasks and services (for their VIPs); each has one address of each family.
 */
import { allocateAddresses, claimAddress, SubnetPool, SwarmtsError } from '@swarmts/lib';
import { holdsAddresses, type Network, type Service } from '@swarmts/proto';
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
    return allocateAddresses(this.#of(networkId), owner, wishes);
  }

  /** One of IPv4 alone; none where the network has no such subnet. */
  allocateIpv4(networkId: string, owner: string): readonly string[] {
    return allocateAddresses(this.#of(networkId), owner, [], [4]);
  }

  claim(networkId: string, owner: string, addresses: readonly string[]): void {
    for (const a of addresses) claimAddress(this.#of(networkId), owner, a);
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

export function vipsByNetwork(
  s: Service,
): readonly { readonly networkId: string; readonly addresses: readonly string[] }[] {
  const byNetwork = new Map<string, string[]>();
  for (const v of s.endpoint?.virtualIps ?? []) {
    byNetwork.set(v.networkId, [...(byNetwork.get(v.networkId) ?? []), v.addr]);
  }
  return [...byNetwork].map(([networkId, addresses]) => ({ networkId, addresses }));
}
