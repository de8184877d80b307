// A whole group in one process under virtual time. First faults rain down while clients write and read: lost, doubled
// and late messages, partitions, power cuts, membership changes, transfers. Then everything is repaired, and the group
// must come back to life and agree. Everything follows from the seed.
import { type Fate, LOST, MemoryNetwork } from '../driver/memory-network.js';
import type { RaftNode } from '../driver/raft-node.js';
import { isRaftError } from '../errors.js';
import { NO_DATA } from '../types.js';
import { Checker, SafetyViolation } from './checker.js';
import { seededRandom } from './random.js';
import { SimulatedMember, type World } from './simulated-member.js';
import { VirtualTime } from './virtual-time.js';

export interface SimulationOptions {
  readonly seed: number;
  /** Founders; as many again may join and leave if `changeMembers`. */
  readonly members: number;
  readonly faultyMs: number;
  readonly changeMembers: boolean;
}

export interface SimulationReport {
  readonly acknowledged: number;
  readonly reads: number;
  readonly crashes: number;
  readonly changes: number;
  readonly snapshotsRestored: number;
  readonly highestTerm: number;
}

/** How long a repaired group may take to agree. */
const RECOVERY_MS = 60_000;
const STEP_MS = 500;

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const simulation = new Simulation(options);
  return await simulation.run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random;
  readonly #time = new VirtualTime();
  readonly #checker = new Checker();
  readonly #network: MemoryNetwork;
  readonly #members: SimulatedMember[] = [];
  #isFaulty = true;
  #lossRate = 0;
  #failure: unknown;
  #writes = 0;
  #reads = 0;
  #crashes = 0;
  #changes = 0;
  #snapshotsRestored = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#network = new MemoryNetwork({
      schedule: (delay, deliver) => this.#time.after(delay, () => this.#guard(deliver)),
      fateOf: (message) => {
        if (message.type === 'snap') this.#snapshotsRestored += 1;
        return this.#fate();
      },
    });
    const founders = Array.from({ length: options.members }, (_, at) => at + 1);
    const joiners = options.changeMembers ? founders.map((id) => id + options.members) : [];
    const world: World = {
      time: this.#time,
      random: this.#random,
      network: this.#network,
      checker: this.#checker,
      onFailure: (error) => this.#fail(error),
    };
    for (const id of founders) this.#members.push(new SimulatedMember(id, founders, world));
    for (const id of joiners) this.#members.push(new SimulatedMember(id, [], world));
  }

  async run(): Promise<SimulationReport> {
    for (const member of this.#members) this.#startMember(member);
    this.#time.after(0, () => this.#clientStep());
    this.#time.after(0, () => this.#faultStep());
    await this.#runFor(this.#options.faultyMs);
    this.#repair();
    await this.#recover();
    await this.#checkEnd();
    return {
      acknowledged: this.#checker.acknowledgedCount,
      reads: this.#reads,
      crashes: this.#crashes,
      changes: this.#changes,
      snapshotsRestored: this.#snapshotsRestored,
      highestTerm: Math.max(...this.#nodes().map((node) => node.status().term)),
    };
  }

  async #runFor(durationMs: number): Promise<void> {
    await this.#time.runUntil(this.#time.nowMs + durationMs, () => {
      for (const node of this.#nodes()) {
        const { role, term } = node.status();
        if (role === 'leader') this.#guard(() => this.#checker.noteLeader(node.id, term));
      }
      if (this.#failure !== undefined) throw this.#failure;
    });
  }

  #nodes(): RaftNode[] {
    return this.#members.flatMap((member) => (member.node === undefined ? [] : [member.node]));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #startMember(member: SimulatedMember): void {
    member.start().catch((error: unknown) => this.#fail(error));
  }

  #fate(): Fate {
    const delay = (): number =>
      1 + 10 * this.#random.next() + (this.#random.chance(0.05) ? 400 * this.#random.next() : 0);
    if (!this.#isFaulty) return { deliverAfter: [1 + 5 * this.#random.next()] };
    if (this.#random.chance(this.#lossRate)) return LOST;
    return { deliverAfter: this.#random.chance(0.03) ? [delay(), delay()] : [delay()] };
  }

  #clientStep(): void {
    if (!this.#isFaulty) return;
    const node = this.#random.pick(this.#nodes());
    if (node !== undefined) {
      const leads = node.status().role === 'leader';
      if (leads || this.#random.chance(0.1)) this.#write(node);
      if (this.#random.chance(0.2)) this.#read(node);
    }
    this.#time.after(20 * this.#random.next(), () => this.#clientStep());
  }

  #write(node: RaftNode): void {
    this.#writes += 1;
    const value = `w${this.#writes}`;
    node.propose(Buffer.from(value)).then(
      ({ index }) => this.#checker.noteAcknowledged(value, index),
      (error: unknown) => this.#expect(error),
    );
  }

  #read(node: RaftNode): void {
    const before = this.#checker.highestAcknowledged;
    node.readIndex().then(
      (index) => {
        this.#reads += 1;
        this.#guard(() => this.#checker.noteRead(node.id, Math.min(index, node.status().applied), before));
      },
      (error: unknown) => this.#expect(error),
    );
  }

  /** Refusals are part of the game; only errors that mean damage are not. */
  #expect(error: unknown): void {
    if (!isRaftError(error) || error.code === 'io' || error.code === 'corrupt') this.#fail(error);
  }

  #faultStep(): void {
    if (!this.#isFaulty) return;
    const random = this.#random;
    const dice = random.next();
    if (dice < 0.25) this.#crashSomebody();
    else if (dice < 0.45) this.#partition();
    else if (dice < 0.65) this.#network.heal();
    else if (dice < 0.75) this.#lossRate = random.chance(0.5) ? 0 : 0.3 * random.next();
    else if (dice < 0.85) this.#transfer();
    else if (this.#options.changeMembers) this.#changeMember();
    this.#time.after(100 + 1500 * random.next(), () => this.#guard(() => this.#faultStep()));
  }

  #crashSomebody(): void {
    const member = this.#random.pick(this.#members);
    if (member === undefined || !member.isUp) return;
    this.#crashes += 1;
    member.crash();
    const restart = (): void => {
      member
        .checkStoredLog()
        .then(() => member.start())
        .catch((error: unknown) => this.#fail(error));
    };
    this.#time.after(this.#random.chance(0.5) ? 50 : 4000 * this.#random.next(), restart);
  }

  #partition(): void {
    const sides: [number[], number[]] = [[], []];
    for (const { id } of this.#members) sides[this.#random.chance(0.5) ? 0 : 1].push(id);
    this.#network.partition(...sides);
  }

  #leader(): RaftNode | undefined {
    const leaders = this.#nodes().filter((node) => node.status().role === 'leader');
    return leaders.sort((a, b) => b.status().term - a.status().term)[0];
  }

  #transfer(): void {
    const target = this.#random.pick(this.#members);
    const leader = this.#leader();
    if (leader === undefined || target === undefined) return;
    leader.transferLeadership(target.id).catch((error: unknown) => this.#expect(error));
  }

  #changeMember(): void {
    const leader = this.#leader();
    const id = this.#random.pick(this.#members)?.id;
    if (leader === undefined || id === undefined) return;
    const { voters, learners } = leader.status();
    const isVoter = voters.includes(id);
    // Never so few that the crashes of this simulation would stop the group for most of the time.
    if (isVoter && voters.length <= 2) return;
    const type = isVoter ? 'remove' : learners.includes(id) ? 'add-voter' : 'add-learner';
    leader.proposeConfChange({ type, id, context: NO_DATA }).then(
      () => {
        this.#changes += 1;
      },
      (error: unknown) => this.#expect(error),
    );
  }

  #repair(): void {
    this.#isFaulty = false;
    this.#network.heal();
  }

  /** Liveness: a leader, one more acknowledged write, and every member at the same point. */
  async #recover(): Promise<void> {
    const deadline = this.#time.nowMs + RECOVERY_MS;
    let isWritten = false;
    let isWriting = false;
    while (this.#time.nowMs < deadline) {
      await this.#runFor(STEP_MS);
      const leader = this.#leader();
      if (leader === undefined) continue;
      if (isWritten && this.#isAgreed(leader)) return;
      if (isWriting) continue;
      isWriting = true;
      // A new value for each attempt: one whose outcome is unknown may still arrive.
      this.#writes += 1;
      const value = `w${this.#writes}`;
      leader.propose(Buffer.from(value)).then(
        ({ index }) => {
          isWritten = true;
          this.#checker.noteAcknowledged(value, index);
        },
        (error: unknown) => {
          isWriting = false;
          this.#expect(error);
        },
      );
    }
    const states = this.#nodes().map((node) => JSON.stringify({ ...node.status(), progress: undefined }));
    throw new SafetyViolation(`the repaired group does not agree within ${RECOVERY_MS} ms:\n${states.join('\n')}`);
  }

  #isAgreed(leader: RaftNode): boolean {
    const { applied, voters, learners } = leader.status();
    const members = this.#nodes().filter((node) => voters.includes(node.id) || learners.includes(node.id));
    const all = members.length === voters.length + learners.length;
    return all && members.every((node) => node.status().applied === applied);
  }

  async #checkEnd(): Promise<void> {
    const leader = this.#leader();
    if (leader === undefined) throw new SafetyViolation('the repaired group lost its leader');
    const { voters, learners } = leader.status();
    for (const member of this.#members) {
      if (voters.includes(member.id) || learners.includes(member.id)) {
        this.#checker.checkComplete(member.id, member.values);
      }
      await member.checkStoredLog();
    }
  }
}
