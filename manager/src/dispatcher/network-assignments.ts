/** Which networks one node has been told of, and what it is told next: a network as a whole first, then what changes in it. */
import { NetworkState } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import type { NetworkIndex, TouchedNetwork } from './network-index.js';

export interface NetworkIncrement {
  readonly networks: readonly NetworkState[];
  readonly removedNetworkIds: readonly string[];
}

export class NetworkAssignments {
  readonly #nodeId: string;
  readonly #index: NetworkIndex;
  readonly #sent = new Set<string>();

  constructor(nodeId: string, index: NetworkIndex) {
    this.#nodeId = nodeId;
    this.#index = index;
  }

  complete(tx: ReadTx): readonly NetworkState[] {
    this.#sent.clear();
    return this.increment(tx, new Map()).networks;
  }

  increment(tx: ReadTx, touched: ReadonlyMap<string, TouchedNetwork>): NetworkIncrement {
    const needed = this.#index.networksOf(tx, this.#nodeId);
    const networks: NetworkState[] = [];
    for (const id of needed) {
      const changes = touched.get(id);
      if (!this.#sent.has(id)) networks.push(this.#whole(tx, id));
      else if (changes) networks.push(this.#changed(tx, id, changes));
      this.#sent.add(id);
    }
    const removedNetworkIds = [...this.#sent].filter((id) => !needed.has(id));
    for (const id of removedNetworkIds) this.#sent.delete(id);
    return { networks, removedNetworkIds };
  }

  #whole(tx: ReadTx, id: string): NetworkState {
    const index = this.#index;
    return NetworkState.create({
      networkId: id,
      complete: true,
      network: index.network(tx, id),
      endpoints: present(index.taskIds(id), (t) => index.endpoint(tx, id, t)).found,
      services: present(index.serviceIds(id), (s) => index.service(tx, id, s)).found,
      peers: present(index.peerIds(tx, id), (n) => index.peer(tx, id, n)).found,
    });
  }

  #changed(tx: ReadTx, id: string, touched: TouchedNetwork): NetworkState {
    const index = this.#index;
    const endpoints = present(touched.endpoints, (t) => index.endpoint(tx, id, t));
    const services = present(touched.services, (s) => index.service(tx, id, s));
    const peers = present(touched.peers, (n) => index.peer(tx, id, n));
    return NetworkState.create({
      networkId: id,
      endpoints: endpoints.found,
      removedEndpointIds: endpoints.gone,
      services: services.found,
      removedServiceIds: services.gone,
      peers: peers.found,
      removedPeerIds: peers.gone,
    });
  }
}

function present<T>(
  ids: Iterable<string>,
  get: (id: string) => T | undefined,
): { readonly found: readonly T[]; readonly gone: readonly string[] } {
  const found: T[] = [];
  const gone: string[] = [];
  for (const id of ids) {
    const object = get(id);
    if (object === undefined) gone.push(id);
    else found.push(object);
  }
  return { found, gone };
}
