/** The node's networks, wired: the local one, those of the swarm, names, and the loop that looks after them. */
import { release as kernelRelease } from 'node:os';
import { join } from 'node:path';
import type { BridgeNetwork } from '@swarmts/api';
import { type Logger, SwarmtsError, systemClock } from '@swarmts/lib';
import {
  DNS_MAIN_FILE,
  DnsClient,
  FORWARD_MAIN_FILE,
  ForwardClient,
  HiddenListeners,
  isIngress,
  keepsClientAddress,
  LocalNetwork,
  namesOf,
  RoutedNetworks,
} from '@swarmts/netplugins';
import { isNodeLocal } from '@swarmts/proto';
import {
  type ContainerNetwork,
  type EndpointSource,
  isLocalEndpointId,
  LocalNetworks,
  NetworkUpkeep,
  NodeContainerNetwork,
  type NodeEndpointSource,
  type startHelper,
  textOf,
} from '@swarmts/worker';
import { bridgeSubnetInUse } from './bridge-subnet-in-use.js';
import type { DaemonConfig } from './config/config.js';

/** A small process: little garbage, no need of parallel collection. */
const SMALL_NODE_FLAGS = ['--max-semi-space-size=2', '--max-old-space-size=128', '--v8-pool-size=1'];

export interface NodeNetworks {
  readonly containers: ContainerNetwork;
  readonly routed: RoutedNetworks;
  /** Programs of the node that get nothing from their ports because services publish them. */
  readonly hidden: HiddenListeners;
  /** Undefined where nobody is to be on it. */
  readonly bridge: BridgeNetwork | undefined;
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
  const ports = new ForwardClient({
    socketPath: join(config.execRoot, 'ports.sock'),
    spawn: () => startNode(helper, FORWARD_MAIN_FILE, config.execRoot, 'ports'),
    clock: systemClock,
  });
  const wish = { subnet: config.bridgeSubnet, isFixed: config.hasOwnBridgeSubnet };
  const subnet = bridgeSubnetInUse(wish, join(config.execRoot, 'bridge-subnet'), logger);
  const local = new LocalNetwork(helper, {
    ipv6: {
      isAvailable: hasIpv6,
      set: (forwards) => ports.set(forwards),
      change: (added, removed) => ports.change(added, removed),
    },
    meshOwner: (protocol, port) => routed.publisherOf(protocol, port),
    subnet,
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
  const hidden = new HiddenListeners({ logger, published: () => routed.published() });
  const names = new DnsClient({
    socketPath: join(config.execRoot, 'dns.sock'),
    networks: (ids) =>
      routed
        .views()
        // As with Docker: the ingress network is for published ports alone, whose services need not know each other.
        .filter((v) => ids.has(v.id) && !isIngress(v))
        .map(namesOf),
    isComplete: () => routed.isComplete,
    clock: systemClock,
    logger,
    spawn: () => startNode(helper, DNS_MAIN_FILE, config.execRoot, 'dns'),
  });
  const own = await LocalNetworks.open({
    dir: join(config.dataRoot, 'networks'),
    routed,
    taken: [local.subnet],
    pools: config.defaultAddressPools,
    clock: systemClock,
    logger,
  });
  let swarm: EndpointSource | undefined;
  const source: NodeEndpointSource = {
    async obtain(wish, container) {
      if (own.find(wish.target)) return own.obtain(wish, container);
      if (!swarm) throw new SwarmtsError('not-found', `network ${wish.target} not found`);
      const obtained = await swarm.obtain(wish, container);
      const { network } = obtained.attachment;
      if (!network || !isNodeLocal(network)) return obtained;
      try {
        return await own.place(network, wish, container, obtained.endpointId);
      } catch (e) {
        await swarm.giveBack(obtained.endpointId);
        throw e;
      }
    },
    place: (network, wish, container) => own.place(network, wish, container),
    adopt: (attachment, name) => own.adopt(attachment, name),
    async rename(endpointId, name) {
      if (own.owns(endpointId)) await own.rename(endpointId, name);
      else await swarm?.rename?.(endpointId, name);
    },
    async giveBack(endpointId) {
      await own.giveBack(endpointId);
      if (!isLocalEndpointId(endpointId)) await swarm?.giveBack(endpointId);
    },
    owed: () => swarm?.owed?.() ?? [],
  };
  const containers = new NodeContainerNetwork({ local, routed, helper, source, names, logger });
  return {
    bridge: config.containers.withoutBridge
      ? undefined
      : { subnet: local.subnet, gateway: local.gateway, icc: config.icc, mtu: local.mtu },
    own,
    routed,
    hidden,
    containers,
    upkeep: new NetworkUpkeep({ local, routed, names, containers, hidden, source, clock: systemClock, logger }),
    async close() {
      names.close();
      ports.close();
      await release();
    },
    join: (s, onKeys) => {
      swarm = s;
      tellKeys = onKeys;
    },
  };
}

/** A process that outlives the daemon: `main` with NAME.sock, what it says is in NAME.log. */
async function startNode(
  helper: Awaited<ReturnType<typeof startHelper>>,
  main: string,
  execRoot: string,
  name: string,
): Promise<void> {
  const log = join(execRoot, `${name}.log`);
  await helper.startDetached({
    argv: [process.execPath, ...SMALL_NODE_FLAGS, main, join(execRoot, `${name}.sock`)],
    env: { PATH: process.env.PATH ?? '' },
    stdoutFile: log,
    stderrFile: log,
  });
}

function hasIpv6(): boolean {
  return textOf('/proc/net/if_inet6') !== '';
}
