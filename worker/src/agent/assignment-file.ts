/**
 * What the node was assigned, kept on disk so that a restarted agent goes on before it has spoken to a manager. Secret and
 * config payloads are never in it: tasks carry references only.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import { Assignments, type NetworkState, type Task } from '@swarmts/proto';

export class AssignmentFile {
  readonly #path: string;
  #saving: Promise<void> | undefined;
  #next: Pick<Assignments, 'tasks' | 'networks'> | undefined;

  constructor(dir: string) {
    this.#path = join(dir, 'assignments.bin');
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

  /** Writes soon; when several writes wait only the newest is made. */
  save(tasks: readonly Task[], networks: readonly NetworkState[], onError: (e: unknown) => void): void {
    this.#next = { tasks, networks };
    this.#saving ??= this.#drain()
      .catch(onError)
      .finally(() => {
        this.#saving = undefined;
      });
  }

  async flushed(): Promise<void> {
    await this.#saving;
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
    }
  }
}
