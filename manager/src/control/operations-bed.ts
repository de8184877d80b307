/** The operations on a store of one manager, for tests. */
import assert from 'node:assert/strict';
import { type SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import { ExternalCas } from '../ca/external-ca.js';
import type { Store } from '../store/store.js';
import { Operations } from './operations.js';

export function localOperations(store: Store, clock: SimulatedClock): Operations {
  const status = { id: 1, leader: 1, voters: [1], learners: [] } as never;
  return new Operations({
    raft: { store, status, isReachable: () => true },
    scheduling: () => assert.fail('the scheduler is not asked here'),
    clock,
    now: () => clock.now(),
    externalCas: new ExternalCas({ clock, log: silentLogger, random: seededRandom(1), identity: () => undefined }),
    signal: new AbortController().signal,
  });
}
