/** The node's networks, wired: the local one, those of the swarm, names, and the loop that looks after them. */
import { join } from 'node:path';
import { type Logger, SwarmtsError, systemClock } from '@swarmts/lib';
import { LocalNetwork, RoutedNetworks } from '@swarmts/netplugins';
import {
  type ContainerNetwork,
  type EndpointSource,
  type NameService,
  NetworkUpkeep,
  NodeContainerNetwork,
  type startHelper,
} from '@swarmts/worker';
import type { DaemonConfig } from './config.js';

export interface NodeNetworks {
  readonly containers: ContainerNetwork;
  readonly routed: RoutedNetworks;
  readonly upkeep: NetworkUpkeep;
  /** From now on containers can be attached to networks of the swarm. */
  join(source: EndpointSource): void;
}

export function openNetworks(
  config: DaemonConfig,
  helper: Awaited<ReturnType<typeof startHelper>>,
  logger: Logger,
): NodeNetworks {
  const local = new LocalNetwork(helper, { subnet: config.bridgeSubnet, mtu: config.mtu, logger });
  const routed = new RoutedNetworks({ executor: helper, dir: join(config.execRoot, 'routers'), logger });
  let swarm: EndpointSource | undefined;
  const source: EndpointSource = {
    async obtain(wish, container) {
      if (!swarm) throw new SwarmtsError('not-found', `network ${wish.target} not found`);
      return swarm.obtain(wish, container);
    },
    async giveBack(endpointId) {
      await swarm?.giveBack(endpointId);
    },
  };
  const names: NameService & { repair(): Promise<void> } = {
    put: async () => undefined,
    remove: () => undefined,
    repair: async () => undefined,
  };
  return {
    routed,
    containers: new NodeContainerNetwork({ local, routed, helper, source, names }),
    upkeep: new NetworkUpkeep({ local, routed, names, source, clock: systemClock, logger }),
    join: (s) => {
      swarm = s;
    },
  };
}
