// Clients of a simulated group: each does one thing after the other, a write of a new value or a read, at whom it takes
// for the leader or at anybody. What gets no answer in time has an unknown fate. What they saw is the history.
import { linearizabilityProblem, type Operation } from './linearizability.js';
import type { ModelMember } from './model-member.js';
import type { World } from './world.js';

/** How long a client waits for an answer. */
const PATIENCE_MS = 1500;

export class ModelClients {
  readonly #world: World;
  /** By register. */
  readonly #history: Operation[][];
  #nextValue = 1;
  #isStopped = false;
  /** Operations that were answered. */
  answered = 0;

  constructor(world: World) {
    this.#world = world;
    this.#history = Array.from({ length: world.settings.keys }, () => []);
  }

  start(): void {
    for (let client = 1; client <= this.#world.settings.clients; client += 1) this.#think(client, 1);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** In words which register's history is impossible; undefined if none is. */
  problem(): string | undefined {
    for (const [key, operations] of this.#history.entries()) {
      const problem = linearizabilityProblem(operations);
      if (problem !== undefined) return `register ${key} is not linearizable: ${problem}`;
    }
    return undefined;
  }

  #think(client: number, sequence: number): void {
    const { queue, random, settings } = this.#world;
    queue.after(settings.thinkMs * random.next(), () => {
      if (!this.#isStopped) this.#act(client, sequence);
    });
  }

  #act(client: number, sequence: number): void {
    const { random, settings } = this.#world;
    const member = this.#chooseMember();
    if (member === undefined) {
      this.#think(client, sequence);
      return;
    }
    const key = random.below(settings.keys);
    if (random.chance(0.5)) this.#read(client, sequence, key, member);
    else this.#write(client, sequence, key, member);
  }

  #chooseMember(): ModelMember | undefined {
    const { members, random } = this.#world;
    const leaders = random.chance(0.8) ? members.filter((member) => member.isLeader) : [];
    return random.pick(leaders.length > 0 ? leaders : members.filter(({ core }) => core !== undefined));
  }

  #write(client: number, sequence: number, key: number, member: ModelMember): void {
    const value = this.#nextValue;
    this.#nextValue += 1;
    const callMs = this.#world.queue.nowMs;
    const next = this.#onceOrLate(client, sequence, (isDone) => {
      const returnMs = isDone ? this.#world.queue.nowMs : undefined;
      this.#note(key, { kind: 'write', value, callMs, returnMs }, isDone ? 'writes' : 'unknown');
    });
    member.propose({ client, sequence, key, value }, (result) => next(result !== 'lost'));
  }

  #read(client: number, sequence: number, key: number, member: ModelMember): void {
    const callMs = this.#world.queue.nowMs;
    let value = 0;
    const next = this.#onceOrLate(client, sequence, (isDone) => {
      if (isDone) this.#note(key, { kind: 'read', value, callMs, returnMs: this.#world.queue.nowMs }, 'reads');
    });
    member.read(key, (result) => {
      if (result !== 'lost') value = result.value;
      next(result !== 'lost');
    });
  }

  #note(key: number, operation: Operation, count: 'writes' | 'reads' | 'unknown'): void {
    this.#history[key]?.push(operation);
    this.#world.counts[count] += 1;
    if (operation.returnMs !== undefined) this.answered += 1;
  }

  /** Ends the operation with the first answer, or without one in time; then the client goes on. */
  #onceOrLate(client: number, sequence: number, end: (isDone: boolean) => void): (isDone: boolean) => void {
    let isOver = false;
    const finish = (isDone: boolean): void => {
      if (isOver) return;
      isOver = true;
      end(isDone);
      this.#think(client, sequence + 1);
    };
    this.#world.queue.after(PATIENCE_MS, () => finish(false));
    return finish;
  }
}
