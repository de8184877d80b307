/** The execs by id. One that has ended is remembered for a while, so that its exit code can be asked for. */
import { type Clock, SwarmtsError } from '@swarmts/lib';
import type { Exec } from './exec.js';

/** As long as Docker. */
const KEPT_MS = 5 * 60_000;

export class ExecRegistry {
  readonly #execs = new Map<string, Exec>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(exec: Exec): void {
    const now = this.#clock.now();
    for (const [id, e] of this.#execs) {
      if (e.endedAtMs > 0 && now - e.endedAtMs > KEPT_MS) this.#execs.delete(id);
    }
    this.#execs.set(exec.id, exec);
  }

  get(id: string): Exec {
    const found = this.#execs.get(id) ?? this.#byPrefix(id);
    if (!found) throw new SwarmtsError('not-found', `No such exec instance: ${id}`);
    return found;
  }

  /** Ids of those that have not ended. */
  ofContainer(containerId: string): readonly string[] {
    return [...this.#execs.values()]
      .filter((e) => e.info.containerId === containerId && e.info.state !== 'ended')
      .map((e) => e.id);
  }

  forget(containerId: string): void {
    for (const [id, e] of this.#execs) if (e.info.containerId === containerId) this.#execs.delete(id);
  }

  #byPrefix(text: string): Exec | undefined {
    if (!/^[0-9a-f]{12,63}$/.test(text)) return undefined;
    const matching = [...this.#execs.values()].filter((e) => e.id.startsWith(text));
    return matching.length === 1 ? matching[0] : undefined;
  }
}
