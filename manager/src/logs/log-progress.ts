/** How far the logs of tasks were read: whoever goes on from there gets every later line once. */
import { type LogChunk, LogPlace } from '@swarmts/proto';

/** Tasks that are remembered; the one that was read the longest ago goes first, and would be read anew. */
const MAX_PLACES = 10_000;

export class LogProgress {
  readonly #places = new Map<string, LogPlace>();

  constructor(from: readonly LogPlace[] = []) {
    for (const place of from) this.#places.set(place.taskId, place);
  }

  #put(place: LogPlace): void {
    this.#places.delete(place.taskId);
    this.#places.set(place.taskId, place);
    const [oldest] = this.#places.size > MAX_PLACES ? this.#places.keys() : [];
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  note({ places, lines }: LogChunk): void {
    for (const place of places) this.#put(place);
    // A node of an earlier release names no places.
    if (places.length === 0) for (const { taskId, timeNs } of lines) this.#put(LogPlace.create({ taskId, timeNs }));
  }

  of(taskId: string): LogPlace | undefined {
    return this.#places.get(taskId);
  }

  forget(taskId: string): void {
    this.#places.delete(taskId);
  }

  list(): LogPlace[] {
    return [...this.#places.values()];
  }
}
