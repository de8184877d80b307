/** The node's networks, wired: the local one, those of the swarm, names, and the loop that looks after them. */
import { release as kernelRelease } from 'node:os';
import { join } from 'node:path';
import { type Logger, SwarmtsError, systemClock } from '@swarmts/lib';
import {
  DNS_MAIN_FILE,
  DnsClient,
  isIngress,
  keepsClientAddress,
  LocalNetwork,
  namesOf,
  RoutedNetworks,
} from '@swarmts/netplugins';
import {
  type ContainerNetwork,
  type EndpointSource,
  LocalNetworks,
  NetworkUpkeep,
  NodeContainerNetwork,
  type startHelper,
} from '@swarmts/worker';
import type { DaemonConfig } from './config.js';

/** A small process: little garbage, no need of parallel collection. */
const DNS_NODE_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=128', '--v8-pool-size=1'];

export interface NodeNetworks {
  readonly containers: ContainerNetwork;
  readonly routed: RoutedNetworks;
  /** Networks that users have made on this node. */
  readonly own: LocalNetworks;
  readonly upkeep: NetworkUpkeep;
  /** Lets go of the name server, which goes on; the host's settings are as they were where no container needs others. */
  close(): Promise<void>;
  /** From now on containers can be attached to networks of the swarm. `onKeys`: what `routed.keys` has is news. */
  join(source: EndpointSource, onKeys: () => void): void;
}

export async function openNetworks(
  config: DaemonConfig,
  helper: Awaited<ReturnType<typeof startHelper>>,
  logger: Logger,
): Promise<NodeNetworks> {
  const release = async () => {
    if (local.isEmpty && !routed.usesHost) await helper.restoreForwarding();
  };
  const local = new LocalNetwork(helper, {
    subnet: config.bridgeSubnet,
    fixedCidr: config.fixedCidr,
    icc: config.icc,
    mtu: config.mtu,
    logger,
  });
  let tellKeys = () => {};
  const routed: RoutedNetworks = new RoutedNetworks({
    executor: helper,
    dir: join(config.execRoot, 'routers'),
    logger,
    onChange: () => names.changed(),
    afterwards: () => names.inForce(),
    keepsClientAddress: keepsClientAddress(kernelRelease()),
    onKeys: () => tellKeys(),
    onLeave: release,
  });
  const socketPath = join(config.execRoot, 'dns.sock');
  const logFile = join(config.execRoot, 'dns.log');
  const names = new DnsClient({
    socketPath,
    networks: (ids) =>
      routed
        .views()
        // As with Docker: the ingress network is for published ports alone, whose services need not know each other.
        .filter((v) => ids.has(v.id) && !isIngress(v))
        .map(namesOf),
    isComplete: () => routed.isComplete,
    clock: systemClock,
    logger,
    async spawn() {
      const argv = [process.execPath, ...DNS_NODE_FLAGS, DNS_MAIN_FILE, socketPath];
      await helper.startDetached({
        argv,
        env: { PATH: process.env.PATH ?? '' },
        stdoutFile: logFile,
        stderrFile: logFile,
      });
    },
  });
  const own = await LocalNetworks.open({
    dir: join(config.dataRoot, 'networks'),
    routed,
    taken: [local.subnet],
    clock: systemClock,
  });
  let swarm: EndpointSource | undefined;
  const source: EndpointSource = {
    async obtain(wish, container) {
      if (own.find(wish.target)) return own.obtain(wish, container);
      if (!swarm) throw new SwarmtsError('not-found', `network ${wish.target} not found`);
      return swarm.obtain(wish, container);
    },
    adopt: (attachment, name) => own.adopt(attachment, name),
    async giveBack(endpointId) {
      if (own.owns(endpointId)) await own.giveBack(endpointId);
      else await swarm?.giveBack(endpointId);
    },
  };
  return {
    own,
    routed,
    containers: new NodeContainerNetwork({ local, routed, helper, source, names, logger }),
    upkeep: new NetworkUpkeep({ local, routed, names, source, clock: systemClock, logger }),
    async close() {
      names.close();
      await release();
    },
    join: (s, onKeys) => {
      swarm = s;
      tellKeys = onKeys;
    },
  };
}
