/** A bus in memory, for tests: keeps what it acknowledges, drops ids that it has seen, and can be away. */
import { SwarmtsError } from '@swarmts/lib';
import type { Bus, BusMessage, BusStream } from './bus.js';

export class MemoryBus implements Bus {
  readonly kept: BusMessage[] = [];
  away = false;
  /** Called with each message before it is kept. */
  onPublish: (m: BusMessage) => void = () => undefined;

  async publish(m: BusMessage): Promise<void> {
    this.#check();
    this.onPublish(m);
    if (!this.kept.some((k) => k.id === m.id)) this.kept.push(m);
  }

  async lastHeaders(_: BusStream, subject: string): Promise<Readonly<Record<string, string>> | undefined> {
    this.#check();
    const prefix = subject.replace(/>$/, '');
    return this.kept.findLast((m) => m.subject === subject || (prefix !== subject && m.subject.startsWith(prefix)))
      ?.headers;
  }

  async close(): Promise<void> {}

  #check(): void {
    if (this.away) throw new SwarmtsError('unavailable', 'the event bus does not take messages');
  }
}
