// A whole group in one process: cores, disks, network and clients under virtual time, first with faults, then without.
// Safety is checked after every step; once the faults have ended the group must come to agree, and stay undisturbed.
// Everything follows from the seed. Synchronous, and so hundreds of times faster than real time; the simulation beside
// this one (simulation.ts) runs the driver and the log on disk instead.
import { SafetyViolation } from '../checker.js';
import { seededRandom } from '../random.js';
import { EventQueue } from './event-queue.js';
import { oneFault } from './faults.js';
import { Invariants } from './invariants.js';
import { ModelClients } from './model-clients.js';
import type { ModelDisk } from './model-disk.js';
import { ModelMember } from './model-member.js';
import { ModelNetwork } from './model-network.js';
import { Operator } from './operator.js';
import { type BugName, plantedBug } from './planted-bugs.js';
import { type ModelSettings, settingsOfSeed } from './settings.js';
import { type CountName, ELECTION_TICKS, FOUNDED, TICK_MS, type World } from './world.js';

/** The group did not come back to life. */
export class LivenessFailure extends Error {
  override readonly name = 'LivenessFailure';
}

export interface ModelReport extends Readonly<Record<CountName, number>> {
  readonly events: number;
  readonly highestTerm: number;
  readonly committed: number;
  readonly virtualMs: number;
}

const FAULTY_MS = 11_000;
/** Clients go on for so long after the faults have ended. */
const CALM_MS = 4000;
/** How long the group may then take to agree. */
const AGREEMENT_MS = 30_000;
const POLL_MS = 250;
/** How long one member does not hear the leader although everybody else does. */
const DEAF_MS = 3000;
const END_MS = 20_000;

export function simulateModel(
  seed: number,
  bug?: BugName,
  settings: ModelSettings = settingsOfSeed(seed),
): ModelReport {
  return new Simulation(seed, settings, bug).run();
}

class Simulation {
  readonly #world: World;
  readonly #operator: Operator;
  readonly #clients: ModelClients;
  #isFaulty = true;

  constructor(seed: number, settings: ModelSettings, bug: BugName | undefined) {
    const queue = new EventQueue();
    const random = seededRandom(seed);
    const disks = new Map<number, ModelDisk>();
    this.#world = {
      ...{ settings, bug: plantedBug(bug), queue, random, disks },
      network: new ModelNetwork(queue, random, settings.encodeMessages),
      invariants: new Invariants(disks, FOUNDED),
      members: [],
      counts: {
        ...{ writes: 0, reads: 0, unknown: 0, crashes: 0, pauses: 0, partitions: 0, snapshots: 0, changes: 0 },
        ...{ transfers: 0, diskFaults: 0, replacements: 0 },
      },
    };
    this.#operator = new Operator(this.#world);
    this.#clients = new ModelClients(this.#world);
    const voters = Array.from({ length: settings.members }, (_, at) => at + 1);
    for (const id of voters) this.#world.members.push(new ModelMember(id, this.#world, { voters, learners: [] }));
  }

  run(): ModelReport {
    const { queue, members, counts, invariants } = this.#world;
    for (const member of members) member.start();
    this.#operator.start();
    this.#clients.start();
    this.#nextFault();
    queue.runUntil(FAULTY_MS);
    this.#endFaults();
    queue.runUntil(FAULTY_MS + CALM_MS);
    this.#clients.stop();
    const leader = this.#awaitAgreement();
    this.#disturb(leader);
    queue.runUntil(Math.max(queue.nowMs, END_MS));
    const problem = this.#clients.problem();
    if (problem !== undefined) throw new SafetyViolation(problem);
    const { highestTerm, highestCommit: committed } = invariants;
    return { ...counts, events: queue.count, highestTerm, committed, virtualMs: queue.nowMs };
  }

  #nextFault(): void {
    const { queue, random, settings } = this.#world;
    queue.after(2 * settings.faultEveryMs * random.next(), () => {
      if (!this.#isFaulty) return;
      oneFault(this.#world, this.#operator);
      this.#nextFault();
    });
  }

  #endFaults(): void {
    const { members, network } = this.#world;
    this.#isFaulty = false;
    this.#operator.changesAtRandom = false;
    network.heal();
    for (const { disk } of members) {
      disk.failsNext = false;
      disk.slowness = 1;
      disk.fullUntilMs = 0;
    }
    for (const member of members) member.start();
  }

  /** A leader whose members are all up, have everything, and are in no change. */
  #agreedLeader(): ModelMember | undefined {
    const leader = this.#operator.leader();
    const status = leader?.core?.status();
    if (leader === undefined || status === undefined || status.votersOutgoing !== undefined) return undefined;
    const ids = [...status.voters, ...status.learners];
    const isInStep = (id: number): boolean => {
      const member = this.#world.members[id - 1];
      return (
        member?.core !== undefined &&
        member.core.termOf(member.core.lastIndex) === status.term &&
        member.machine.appliedIndex === leader.core?.lastIndex &&
        member.core.softState.leader === leader.id
      );
    };
    return ids.every(isInStep) ? leader : undefined;
  }

  #awaitAgreement(): ModelMember {
    const { queue, members } = this.#world;
    const deadlineMs = queue.nowMs + AGREEMENT_MS;
    while (queue.nowMs < deadlineMs) {
      queue.runUntil(queue.nowMs + POLL_MS);
      const leader = this.#agreedLeader();
      if (leader === undefined) continue;
      this.#checkSame(leader);
      return leader;
    }
    const states = members.map(({ id, core, condition, machine }) => {
      if (core === undefined) return `${id}: ${condition}`;
      const { progress: _, ...status } = core.status();
      return `${id}: ${JSON.stringify({ ...status, last: core.lastIndex, machine: machine.appliedIndex })}`;
    });
    throw new LivenessFailure(`no agreement within ${AGREEMENT_MS} ms after the last fault:\n${states.join('\n')}`);
  }

  /** Who has applied the same has the same state. */
  #checkSame(leader: ModelMember): void {
    for (const member of this.#world.members) {
      if (member.core === undefined || member.machine.appliedIndex !== leader.machine.appliedIndex) continue;
      if (!member.machine.isSameAs(leader.machine)) {
        throw new SafetyViolation(`members ${leader.id} and ${member.id} have applied the same and differ`);
      }
    }
  }

  /** One member does not hear the leader for a while: with pre-vote nobody else may notice. */
  #disturb(leader: ModelMember): void {
    const { settings, queue, network, random } = this.#world;
    const status = leader.core?.status();
    const deaf = random.pick(status?.voters.filter((id) => id !== leader.id) ?? []);
    const others = (status?.voters.length ?? 0) - 1;
    if (!settings.preVote || !settings.checkQuorum || deaf === undefined || others < 2) return;
    network.cut(leader.id, deaf);
    queue.runUntil(queue.nowMs + DEAF_MS);
    network.heal();
    queue.runUntil(queue.nowMs + ELECTION_TICKS * TICK_MS);
    const { term, role } = leader.core?.status() ?? { term: 0, role: 'follower' };
    if (term === status?.term && role === 'leader') return;
    throw new SafetyViolation(
      `member ${deaf}, cut off for a while, ended the leadership of ${leader.id} on its return`,
    );
  }
}
