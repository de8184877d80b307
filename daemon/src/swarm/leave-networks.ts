/** Containers that a node runs by itself are on no network of a swarm any more once it has left it. */
import { type Logger, messageOf } from '@swarmts/lib';
import type { ContainerEngine } from '@swarmts/worker';

/** Only the swarm has such networks. */
const DRIVER = 'overlay';

/** Those that do not run are left as they are, as with Docker: they may be started in the next swarm. */
export async function leaveSwarmNetworks(
  engine: Pick<ContainerEngine, 'list' | 'disconnect'>,
  log: Pick<Logger, 'warn'>,
): Promise<void> {
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
