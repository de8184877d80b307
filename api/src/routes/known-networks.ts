/** The networks that users have made, as far as this node knows them: its own, and those of the swarm. */
import { type ErrorCode, isSwarmtsError } from '@swarmts/lib';
import type { Network } from '@swarmts/proto';
import type { Backend } from '../backend.js';

/** A worker cannot ask, and a manager without a leader is not answered: what is on the node goes on all the same. */
export const NO_ANSWER: readonly ErrorCode[] = ['not-a-manager', 'no-leader', 'not-leader', 'unavailable', 'timeout'];

export interface UserNetwork {
  readonly network: Network;
  readonly scope: 'swarm' | 'local';
}

export async function userNetworks({ node, swarm }: Backend): Promise<readonly UserNetwork[]> {
  const of = (scope: UserNetwork['scope'], networks: readonly Network[]) =>
    networks.map((network) => ({ network, scope }));
  const local = of('local', await node.localNetworks());
  try {
    return [...local, ...of('swarm', await swarm.networks())];
  } catch (e) {
    if (!isSwarmtsError(e, ...NO_ANSWER)) throw e;
    // The node knows those that it takes part in.
    const joined = node.joinedNetworks().map((n) => n.network);
    return [...local, ...of('swarm', joined)];
  }
}
