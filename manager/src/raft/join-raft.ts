/** Has a manager taken into Raft by one that is in it. */
import * as grpc from '@grpc/grpc-js';
import { type ErrorCode, isSwarmtsError } from '@swarmts/lib';
import { RaftJoinRequest, type RaftMember, RaftMembershipService } from '@swarmts/proto';
import { type Credentials, managerChannelOptions } from '../ca/credentials.js';
import { askInTurn } from '../rpc/ask-in-turn.js';
import { callUnary } from '../rpc/unary.js';

export interface RaftJoin {
  readonly self: RaftMember;
  /** host:port of managers, asked one after the other until one has this one taken in. */
  readonly addrs: readonly string[];
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** The leader's answers to a manager that it will not have with its present Raft id; no other manager would say differently. */
export const notTakenIn: readonly ErrorCode[] = ['conflict', 'permission-denied', 'not-found'];

/** Resolves to the members that there are then. Throws SwarmtsError. */
export function joinRaft(o: RaftJoin): Promise<readonly RaftMember[]> {
  const isFinal = (e: unknown) => isSwarmtsError(e, ...notTakenIn) || o.signal.aborted;
  return askInTurn(o.addrs, (addr) => joinAt(addr, o), isFinal);
}

async function joinAt(
  addr: string,
  { self, credentials, signal, timeoutMs }: RaftJoin,
): Promise<readonly RaftMember[]> {
  const client = new grpc.Client(addr, credentials.client(), managerChannelOptions);
  try {
    const request = RaftJoinRequest.create({ addr: self.addr, raftId: self.raftId });
    return (await callUnary(client, RaftMembershipService.join, request, { timeoutMs, signal })).members;
  } finally {
    client.close();
  }
}
