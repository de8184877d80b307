/** The engine's event stream: synchronous, in order; a listener that throws harms neither the engine nor the others. */
import { type Logger, messageOf } from '@swarmts/lib';
import type { EngineEvent } from './engine-api.js';

export class EngineEvents {
  readonly #listeners = new Set<(e: EngineEvent) => void>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  on(listener: (e: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(event: EngineEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (e) {
        this.#logger.error('an event listener failed', { action: event.action, error: messageOf(e) });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
