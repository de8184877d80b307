/** The node's local network (netplugins) as the engine needs it: attachment and published ports in one step. */
import { isOnLocalNetwork, type LinkedPort, type LocalEndpoint, type LocalNetwork } from '@swarmts/netplugins';
import type { AttachRequest, ContainerNetwork, NetworkAttachment, RestoredAttachment } from './container-network.js';
import { interfaceName } from './interface-names.js';
import { BRIDGE_WISH } from './joined-networks.js';

export class LocalContainerNetwork implements ContainerNetwork {
  readonly #network: LocalNetwork;

  constructor(network: LocalNetwork) {
    this.#network = network;
  }

  async attach(id: string, request: AttachRequest): Promise<NetworkAttachment> {
    const { mac, ...wish } = request.networks?.[0] ?? BRIDGE_WISH;
    const iface = interfaceName(wish, undefined, new Set());
    await this.#network.attach(id, { netns: request.netnsPath, iface, ...(mac ? { mac } : {}) });
    try {
      if (request.ports.length > 0) await this.#network.publish(id, request.ports);
      if (request.links && request.links.length > 0) await this.#network.link(id, request.links);
    } catch (e) {
      await this.#network.detach(id);
      throw e;
    }
    return this.#attachmentOf(id);
  }

  linkAddress(id: string): string | undefined {
    const endpoint = this.#network.endpoint(id);
    return endpoint && isOnLocalNetwork(endpoint) ? endpoint.address : undefined;
  }

  async link(id: string, _attachment: NetworkAttachment, links: readonly LinkedPort[]): Promise<NetworkAttachment> {
    await this.#network.link(id, links);
    return this.#attachmentOf(id);
  }

  #attachmentOf(id: string): NetworkAttachment {
    const endpoint = this.#network.endpoint(id);
    if (!endpoint) throw new Error(`endpoint of ${id} vanished while it was attached`);
    const { address, prefixLength, gateway, mac, ports } = endpoint;
    return { address, prefixLength, gateway, mac, ports, details: endpoint };
  }

  async detach(id: string): Promise<void> {
    await this.#network.detach(id);
  }

  async restore(attachments: readonly RestoredAttachment[]): Promise<readonly string[]> {
    // `details` came from `attach` and has only been through JSON.
    const endpoints = attachments.map((a) => a.attachment.details as LocalEndpoint);
    const rejected = await this.#network.restore(endpoints);
    return rejected.map((r) => r.endpoint.containerId);
  }
}
