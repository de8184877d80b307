/**
 * What the node was assigned, kept on disk so that a restarted agent goes on with what runs before it has spoken to a manager. Secret and
 * config payloads are never in it: tasks carry references only.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errnoOf, SwarmtsError, sleep, writeFileAtomic } from '@swarmts/lib';
import { Assignments, type NetworkState, type Task } from '@swarmts/proto';

/** Statuses of many tasks come at once, and each write has all tasks in it. */
const PAUSE_MS = 100;

export class AssignmentFile {
  readonly #path: string;
  readonly #clock: Clock;
  #saving: Promise<void> | undefined;
  #next: Pick<Assignments, 'tasks' | 'networks'> | undefined;
  /** Aborted, it ends the pause after a write. */
  #pause = new AbortController();

  constructor(dir: string, clock: Clock) {
    this.#path = join(dir, 'assignments.bin');
    this.#clock = clock;
  }

  /** Throws SwarmtsError 'corrupt' for a file that cannot be read. */
  async load(): Promise<Assignments> {
    try {
      return Assignments.decode(await readFile(this.#path));
    } catch (e) {
      if (errnoOf(e) === 'ENOENT') return Assignments.create({});
      throw new SwarmtsError(
        'corrupt',
        `${this.#path} cannot be read: remove it, the managers send the assignments again`,
        { cause: e },
      );
    }
  }

  /** Writes soon, and not again before PAUSE_MS: when several writes wait only the newest is made. */
  save(tasks: readonly Task[], networks: readonly NetworkState[], onError: (e: unknown) => void): void {
    this.#next = { tasks, networks };
    this.#saving ??= this.#drain()
      .catch(onError)
      .finally(() => {
        this.#saving = undefined;
      });
  }

  /** Resolves when all that was saved is on the disk. */
  async flushed(): Promise<void> {
    this.#pause.abort();
    await this.#saving;
    this.#pause = new AbortController();
  }

  async #drain(): Promise<void> {
    while (this.#next) {
      // Without credentials: what pulls the image again has to come from the managers.
      const { networks } = this.#next;
      const tasks = this.#next.tasks.map((t) =>
        t.spec?.container ? { ...t, spec: { ...t.spec, container: { ...t.spec.container, registryAuth: '' } } } : t,
      );
      this.#next = undefined;
      await writeFileAtomic(this.#path, Assignments.encode(Assignments.create({ tasks, networks })));
      await sleep(this.#clock, PAUSE_MS, this.#pause.signal).catch(() => undefined);
    }
  }
}
