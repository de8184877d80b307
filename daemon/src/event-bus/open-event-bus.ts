/** The event bus of this node, as its configuration asks for it. */
import { type Logger, systemClock } from '@swarmts/lib';
import type { ContainerEngine } from '@swarmts/worker';
import type { DaemonConfig } from '../config/config.js';
import type { SwarmNode } from '../swarm/swarm-node.js';
import { EventPublisher } from './event-publisher.js';
import { LogPublisher } from './log-publisher.js';
import { NatsBus } from './nats-bus.js';

/** Returns what ends it. Nothing in the cluster waits for the bus. Throws SwarmtsError 'invalid-argument'. */
export function openEventBus(
  config: DaemonConfig,
  node: SwarmNode,
  engine: ContainerEngine,
  log: Logger,
): () => Promise<void> {
  const bus = new NatsBus(config.eventBus, config.eventBusLogs ? ['events', 'logs'] : ['events'], log);
  const clusterId = () => node.credentials?.identity.clusterId ?? '';
  const shared = { bus, clusterId, clock: systemClock, random: Math.random, log };
  const events = new EventPublisher({ ...shared, node });
  const logs = config.eventBusLogs ? new LogPublisher({ ...shared, engine, nodeId: () => node.nodeId }) : undefined;
  return async () => {
    await Promise.all([events.stop(), logs?.stop()]);
    await bus.close();
  };
}
