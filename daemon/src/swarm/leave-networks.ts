/** A node that has left a swarm has none of its networks any more, and the containers that it runs by itself are on none of them. */
import { type Logger, messageOf } from '@swarmts/lib';
import type { RoutedNetworks } from '@swarmts/netplugins';
import type { ContainerEngine } from '@swarmts/worker';

/** Only the swarm has such networks. */
const DRIVER = 'overlay';

export interface LeavingNode {
  readonly engine: Pick<ContainerEngine, 'list' | 'disconnect'>;
  readonly networks: Pick<RoutedNetworks, 'leave'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

/** Whatever fails is logged: the node has left all the same. */
export async function leaveSwarmNetworks({ engine, networks, log }: LeavingNode): Promise<void> {
  await disconnectContainers(engine, log);
  await networks.leave().catch((e: unknown) => log.error('networks of the swarm were not taken down', { error: e }));
}

/** Those that do not run are left as they are, as with Docker: they may be started in the next swarm. */
async function disconnectContainers(engine: LeavingNode['engine'], log: LeavingNode['log']): Promise<void> {
  const running = engine.list().filter((c) => c.state === 'running' || c.state === 'paused');
  for (const { id, networks } of running) {
    for (const n of networks.filter((x) => x.driver === DRIVER)) {
      try {
        await engine.disconnect(id, n);
      } catch (e) {
        log.warn('a container stays on a network of the swarm that was left', {
          container: id,
          network: n.name,
          error: messageOf(e),
        });
      }
    }
  }
}
