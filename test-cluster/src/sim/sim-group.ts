/**
 * The managers' consensus as the stores see it: one log, entries that a majority has, a leader that may be lost at any moment, and proposals
 * whose fate the proposer never learns. (Raft itself is simulated in raft-ts, message by message.)
 */
import { type Random, type SimulatedClock, SwarmtsError } from '@swarmts/lib';
import { Store } from '@swarmts/manager/simulation';

export interface SimManager {
  readonly id: string;
  store: Store;
  /** Entries of the log that its store has. */
  applied: number;
  up: boolean;
  isolated: boolean;
}

export interface SimGroupOptions {
  readonly count: number;
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly onLead: (m: SimManager) => void;
  readonly onYield: (m: SimManager) => void;
}

const COMMIT_MS = 4;
const APPLY_MS = 15;
const ELECTION_MS = 1_000;
/** A leader without majority goes on for so long before it notices. */
const STEP_DOWN_MS = 1_000;
/** Of the entries that were under way when the leader was lost, so many are found on its successor. */
const SURVIVES = 0.5;

const noLeader = () => new SwarmtsError('no-leader', 'the swarm has no leader');

export class SimGroup {
  readonly managers: readonly SimManager[];
  readonly #o: SimGroupOptions;
  readonly #log: Uint8Array[] = [];
  /** Proposed by the present leader, in order, and not yet committed. */
  #underWay: Uint8Array[] = [];
  #leader: SimManager | undefined;
  #term = 0;
  #electing = false;

  constructor(options: SimGroupOptions) {
    this.#o = options;
    this.managers = Array.from({ length: options.count }, (_, i) => {
      const m: SimManager = { id: `m${i + 1}`, store: undefined as never, applied: 0, up: true, isolated: false };
      m.store = this.#newStore(m);
      return m;
    });
    this.check();
  }

  get leader(): SimManager | undefined {
    return this.#leader;
  }

  #newStore(m: SimManager): Store {
    return new Store({ now: () => this.#o.clock.now(), proposer: { propose: (data) => this.#propose(m, data) } });
  }

  get #majority(): boolean {
    return this.managers.filter((m) => m.up && !m.isolated).length > this.managers.length / 2;
  }

  async #propose(m: SimManager, data: Uint8Array): Promise<void> {
    const term = this.#term;
    if (this.#leader !== m) throw noLeader();
    this.#underWay.push(data);
    await new Promise<void>((resolve) => this.#o.clock.after(this.#o.random() * COMMIT_MS, resolve));
    // Without a majority it waits, until there is one again or the leader steps down.
    while (this.#leader === m && this.#term === term && m.up && (m.isolated || !this.#majority))
      await new Promise<void>((resolve) => this.#o.clock.after(COMMIT_MS, resolve));
    if (this.#leader !== m || this.#term !== term || !m.up) throw noLeader();
    // Those before it first: a log has one order.
    const at = this.#underWay.indexOf(data);
    for (const entry of this.#underWay.splice(0, at + 1)) this.#log.push(entry);
    this.#catchUp(m);
    this.#tellFollowers();
  }

  #tellFollowers(): void {
    for (const m of this.managers) {
      if (m === this.#leader || !m.up || m.isolated) continue;
      this.#o.clock.after(this.#o.random() * APPLY_MS, () => {
        if (m.up && !m.isolated) this.#catchUp(m);
      });
    }
  }

  #catchUp(m: SimManager): void {
    while (m.applied < this.#log.length) {
      const data = this.#log[m.applied++];
      if (data) m.store.applyEntry(m.applied, data);
    }
  }

  kill(m: SimManager): void {
    m.up = false;
    this.check();
  }

  /** It reads its log again from the beginning. */
  start(m: SimManager): void {
    if (m.up) return;
    m.up = true;
    m.applied = 0;
    m.store = this.#newStore(m);
    this.#catchUp(m);
    this.check();
  }

  isolate(m: SimManager, isolated: boolean): void {
    m.isolated = isolated;
    if (!isolated && m.up) this.#catchUp(m);
    this.check();
  }

  /** After any change of who is there. */
  check(): void {
    const leader = this.#leader;
    if (leader && !leader.up) this.#lose(leader);
    else if (leader && (leader.isolated || !this.#majority)) {
      const term = this.#term;
      this.#o.clock.after(STEP_DOWN_MS, () => {
        if (this.#term === term && this.#leader === leader && (leader.isolated || !this.#majority)) this.#lose(leader);
      });
    }
    if (!this.#leader) this.#elect();
  }

  #lose(m: SimManager): void {
    // Some of what nobody was told about is in the log of the next leader.
    const survivors = this.#underWay.findIndex(() => this.#o.random() > SURVIVES);
    this.#log.push(...this.#underWay.slice(0, survivors < 0 ? undefined : survivors));
    this.#underWay = [];
    this.#leader = undefined;
    this.#o.onYield(m);
    this.#elect();
  }

  #elect(): void {
    if (this.#electing) return;
    this.#electing = true;
    this.#o.clock.after(ELECTION_MS * (1 + this.#o.random()), () => {
      this.#electing = false;
      if (this.#leader) return;
      const candidates = this.managers.filter((m) => m.up && !m.isolated);
      const next = candidates[Math.floor(this.#o.random() * candidates.length)];
      if (!next || !this.#majority) {
        if (candidates.length > 0) this.#elect();
        return;
      }
      this.#term++;
      this.#leader = next;
      this.#catchUp(next);
      this.#o.onLead(next);
    });
  }
}
