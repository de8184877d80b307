/** The networks of one container: it joins and leaves them at once when it runs, and when it is started next otherwise. */
import { isDeepStrictEqual } from 'node:util';
import { SwarmtsError } from '@swarmts/lib';
import { builtinNetworks } from '@swarmts/proto';
import { moveHosts, moveNameServer } from './container-bundle.js';
import type { ContainerConfig, NetworkWish } from './container-config.js';
import type { ContainerCore } from './container-core.js';
import { type LinkedNames, linkedPorts } from './container-links.js';
import type { AttachRequest, NetworkAttachment } from './container-network.js';
import type { ContainerRecord } from './container-record.js';
import { attachRequest } from './container-start.js';
import { BRIDGE_WISH, isWishFor } from './joined-networks.js';
import { networkChanges } from './use-events.js';

type NetworkWork = (
  network: NetworkAttachment,
  request: AttachRequest,
  beside: (planned: NetworkAttachment) => Promise<void>,
) => Promise<NetworkAttachment>;

export class ContainerNetworks {
  readonly #core: ContainerCore;

  constructor(core: ContainerCore) {
    this.#core = core;
  }

  async connect(asked: NetworkWish): Promise<void> {
    const { bridge } = builtinNetworks;
    const wish = isWishFor(asked, bridge) ? { ...asked, target: bridge.name } : asked;
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      const { id, config } = this.#core.record;
      refuseShared(config);
      const networks = [...wishesOf(config).filter((n) => n.target !== wish.target), wish];
      await this.#change(networks, (network, request, beside) => {
        const work = this.#core.context.network.connect?.(id, network, request, wish, beside);
        return work ?? Promise.reject(unchangeable());
      });
    });
  }

  async disconnect(gone: { readonly id: string; readonly name: string }): Promise<void> {
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      const { id, config } = this.#core.record;
      const wishes = sharesNetwork(config) || config.networkMode === 'none' ? [] : wishesOf(config);
      const networks = wishes.filter((n) => !isWishFor(n, gone));
      if (networks.length === wishes.length) {
        throw new SwarmtsError('not-found', `container ${id} is not connected to network ${gone.name}`);
      }
      await this.#change(networks, (network, request, beside) => {
        const work = this.#core.context.network.disconnect?.(id, network, request, gone.id, beside);
        return work ?? Promise.reject(unchangeable());
      });
    });
  }

  /** What is wished from now on; `work` changes a container that runs. */
  async #change(networks: readonly NetworkWish[], work: NetworkWork): Promise<void> {
    const before = this.#core.record;
    const wished = { ...before.config, networks };
    if (!this.#core.isRunning || !before.network) return this.#core.change({ config: wished });
    let saved: NetworkAttachment | undefined;
    // It mostly becomes what was planned, which is on disk by then.
    const save = async (network: NetworkAttachment) => {
      if (isDeepStrictEqual(network, saved)) return;
      await this.#core.change({ config: wished, network });
      saved = network;
    };
    try {
      const request = attachRequest(before, this.#core.paths, [], this.#core.context.bundle.dns);
      await save(await work(before.network, request, save));
    } catch (e) {
      const { config, network } = before;
      if (this.#core.record.config === wished) await this.#core.change({ config, network });
      throw e;
    }
    this.#tell(before);
  }

  /** One that it is linked to has been started or has ended, or a link is `gone`. */
  async renewLinks(gone?: LinkedNames): Promise<void> {
    await this.#core.lock.run(async () => {
      const { context, record, paths, isRunning } = this.#core;
      const { network } = record;
      if (!isRunning || !network) return;
      const linked = context.linkedTo(record, false);
      moveHosts(paths, linked, gone);
      const attached = await context.network.link?.(record.id, network, linkedPorts(linked));
      if (attached) await this.#core.change({ network: attached });
    });
  }

  /** The container, and those who listen. */
  #tell(before: ContainerRecord): void {
    const { context, record, paths } = this.#core;
    const { network } = record;
    if (network && network.nameserver !== before.network?.nameserver) {
      moveNameServer(context.bundle, record, paths, network);
    }
    context.emitUses(networkChanges(before, record));
  }
}

const wishesOf = ({ networks }: ContainerConfig): readonly NetworkWish[] => networks ?? [BRIDGE_WISH];

function sharesNetwork({ networkMode, networkContainer, networkNamespace }: ContainerConfig): boolean {
  return networkMode === 'host' || Boolean(networkContainer || networkNamespace);
}

const unchangeable = () => new SwarmtsError('unsupported', 'this network cannot be changed');

/** In Docker's words. */
function refuseShared(config: ContainerConfig): void {
  const refuse = (why: string) => {
    throw new SwarmtsError('invalid-argument', why);
  };
  if (config.networkMode === 'none') {
    refuse('container cannot be connected to multiple networks with one of the networks in private (none) mode');
  }
  if (sharesNetwork(config)) {
    refuse(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
}
