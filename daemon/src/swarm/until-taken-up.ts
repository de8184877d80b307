/** What `init` and `join` wait for before they answer. */
import { type Clock, SwarmtsError, sleep } from '@swarmts/lib';

const TIMEOUT_MS = 20_000;
const POLL_MS = 20;

/** Resolves once the managers have a session with the node; the rest goes on in the background. Throws SwarmtsError. */
export async function untilTakenUp(
  node: { readonly connected: boolean; readonly error: string; readonly state: unknown },
  clock: Clock,
): Promise<void> {
  const deadline = clock.monotonic() + TIMEOUT_MS;
  while (!node.connected) {
    if (node.state === undefined)
      throw new SwarmtsError('failed-precondition', 'the node has left the swarm before it was taken up');
    if (node.error !== '') throw new SwarmtsError('failed-precondition', node.error);
    if (clock.monotonic() > deadline) {
      throw new SwarmtsError(
        'timeout',
        'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "swarmts info" command to see the current swarm status of your node.',
      );
    }
    await sleep(clock, POLL_MS);
  }
}
