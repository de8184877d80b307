/**
 * runc and crun run a copy of themselves, so that a process in a container that gets hold of /proc/PID/exe cannot write into the
 * program (CVE-2019-5736): each call loads the program twice. One that lies on a read-only mount is taken as it is. So the runtime
 * is bound read-only where only the daemon can reach it, and called there.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Logger, messageOf } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

export interface ReadOnlyProgramsOptions {
  readonly helper: Pick<HelperApi, 'mount' | 'unmount'>;
  /** Folder of the mounts. */
  readonly dir: string;
  readonly logger: Logger;
}

export class ReadOnlyPrograms {
  readonly #o: ReadOnlyProgramsOptions;
  /** Where programs are bound, by their own paths. */
  readonly #bound = new Map<string, string>();
  #binding: Promise<void> = Promise.resolve();

  constructor(options: ReadOnlyProgramsOptions) {
    this.#o = options;
  }

  /** Binds a program, in place of what an earlier daemon bound. Where that fails, the program's own path goes on being used. */
  bind(program: string): Promise<void> {
    this.#bound.delete(program);
    this.#binding = this.#binding.then(() => this.#bind(program));
    return this.#binding;
  }

  /** The path to call. A program that was replaced since it was bound is called by its own path until it is bound anew. */
  pathOf(program: string): string {
    const bound = this.#bound.get(program);
    if (bound === undefined) return program;
    if (isSameFile(program, bound)) return bound;
    void this.bind(program);
    return program;
  }

  async #bind(program: string): Promise<void> {
    const target = join(this.#o.dir, basename(program));
    try {
      mkdirSync(this.#o.dir, { recursive: true, mode: 0o700 });
      await this.#o.helper.unmount(target);
      writeFileSync(target, '', { mode: 0o700 });
      await this.#o.helper.mount({ source: program, target, fstype: '', flags: ['bind', 'ro', 'nosuid', 'nodev'] });
      if (isSameFile(program, target)) this.#bound.set(program, target);
    } catch (e) {
      this.#o.logger.info('the runtime is called by its own path', { program, error: messageOf(e) });
    }
  }
}

function isSameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}
