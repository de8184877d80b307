// Groups as the Raft paper knows them: no pre-vote, no lease, only what its figures say. Messages are made and looked at
// by hand.

import type { AppendMessage, Message, VoteMessage } from '../message.js';
import { CoreGroup, type CoreGroupOptions, ELECTION_TICKS } from '../sim/core-group.js';
import type { Entry } from '../types.js';

export { ELECTION_TICKS };

export const THREE = [1, 2, 3];
export const FIVE = [1, 2, 3, 4, 5];

export function paperGroup(voters: readonly number[], options: Partial<CoreGroupOptions> = {}): CoreGroup {
  const raft = { preVote: false, checkQuorum: false, ...options.raft };
  return new CoreGroup({ voters, ...options, raft });
}

export function vote(from: number, to: number, term: number, last: { index: number; term: number }): VoteMessage {
  return { type: 'vote', from, to, term, lastIndex: last.index, lastTerm: last.term, transfer: false };
}

export function append(
  from: number,
  to: number,
  term: number,
  prev: { index: number; term: number },
  entries: readonly Entry[] = [],
  commit = 0,
): AppendMessage {
  return { type: 'append', from, to, term, prevIndex: prev.index, prevTerm: prev.term, entries, commit };
}

export function accepted(from: number, to: number, term: number, index: number): Message {
  return { type: 'append-response', from, to, term, index, reject: false, hintIndex: 0, hintTerm: 0 };
}

export function granted(from: number, to: number, term: number, isGranted = true): Message {
  return { type: 'vote-response', from, to, term, reject: !isGranted };
}

export function entry(index: number, term: number, text = ''): Entry {
  return { index, term, type: 'normal', data: Buffer.from(text) };
}

/** `name` of each message that is in flight, with its receiver. */
export function inFlight(group: CoreGroup): string[] {
  return group.inFlight.map((message) => `${message.type} to ${message.to}`);
}

/** Elects `id` with the votes of `voters` only; appends are lost, so nothing of the new term is committed. */
export function electBy(group: CoreGroup, id: number, voters: readonly number[]): void {
  const before = group.isLost;
  const isAmong = (member: number): boolean => member === id || voters.includes(member);
  group.isLost = (message) =>
    message.type === 'append' || message.type === 'heartbeat' || !isAmong(message.from) || !isAmong(message.to);
  group.elect(id);
  group.isLost = before;
}
