/** How large packets may be: what the node's device towards the others takes, without what tunnels put around them. */
import { type NetworkView, usesTunnels, vniOf } from './network-view.js';
import { tunnelBytes } from './router-of-network.js';
import type { RouterExecutor } from './router-spec.js';
import { wireguardBytes } from './tunnel-plan.js';

const DEFAULT_UNDERLAY_MTU = 1500;
/** Of a network that never leaves the node. */
const LOCAL_MTU = 1500;
/** Addresses in tunnels are of IPv4. */
const IN_TUNNEL = '0.0.0.0';

export class UnderlayMtu {
  readonly #executor: Pick<RouterExecutor, 'underlayMtu'>;
  #known = 0;

  constructor(executor: Pick<RouterExecutor, 'underlayMtu'>) {
    this.#executor = executor;
  }

  /** Somebody may have changed it. */
  forget(): void {
    this.#known = 0;
  }

  /** Of legs, where the network says nothing. */
  async forNetwork(view: NetworkView, nodeId: string): Promise<number> {
    const self = view.peers.get(nodeId);
    if (vniOf(view.network) === 0) return LOCAL_MTU;
    if (!self) return DEFAULT_UNDERLAY_MTU - tunnelBytes(IN_TUNNEL);
    if (usesTunnels(view)) return (await this.forTunnels(self.addr)) - tunnelBytes(IN_TUNNEL);
    return (await this.#of(self.addr)) - tunnelBytes(self.addr);
  }

  /** Of the devices that encrypt. `address`: this node's in the underlay. */
  async forTunnels(address: string): Promise<number> {
    return (await this.#of(address)) - wireguardBytes(address);
  }

  /** Of the device with this node's underlay address. */
  async #of(address: string): Promise<number> {
    if (this.#known === 0) this.#known = (await this.#executor.underlayMtu(address)) || DEFAULT_UNDERLAY_MTU;
    return this.#known;
  }
}
