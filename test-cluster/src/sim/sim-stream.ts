/** Both ends of one agent's session: messages arrive in order after a delay, or not at all once the line is cut. */
import { EventEmitter } from 'node:events';
import type { AgentStream } from '@swarmts/manager/simulation';
import type { AgentMessage, DispatcherMessage } from '@swarmts/proto';

export interface Line {
  /** Milliseconds for the next message; undefined loses it, and everything behind it. */
  delayMs(): number | undefined;
  after(ms: number, fn: () => void): void;
}

class End<In, Out> extends EventEmitter {
  peer: End<Out, In> | undefined;
  readonly #line: Line;
  #busyUntil = 0;
  #now: () => number;
  closed = false;

  constructor(line: Line, now: () => number) {
    super();
    this.#line = line;
    this.#now = now;
    // Nobody listens to errors of an end that has been left.
    this.on('error', () => undefined);
  }

  write(message: Out): boolean {
    this.#send(() => this.peer?.emit('data', message));
    return true;
  }

  end(): void {
    this.#send(() => this.peer?.emit('end'));
  }

  /** The other end finds out, if the line still carries anything. */
  fail(e: unknown): void {
    this.#send(() => this.peer?.emit('error', e));
  }

  #send(deliver: () => void): void {
    const delay = this.#line.delayMs();
    if (delay === undefined || this.closed) return;
    // In order: no message overtakes the one before.
    this.#busyUntil = Math.max(this.#busyUntil, this.#now() + delay);
    this.#line.after(this.#busyUntil - this.#now(), () => {
      if (!this.peer?.closed && this.#line.delayMs() !== undefined) deliver();
    });
  }
}

export type AgentEnd = End<DispatcherMessage, AgentMessage>;

export function session(line: Line, now: () => number): { readonly agent: AgentEnd; readonly manager: AgentStream } {
  const agent = new End<DispatcherMessage, AgentMessage>(line, now);
  const manager = new End<AgentMessage, DispatcherMessage>(line, now);
  agent.peer = manager;
  manager.peer = agent;
  // The dispatcher ends a session with an error by emitting it on its own stream, as gRPC has it.
  manager.on('error', (e) => manager.fail(e));
  // The dispatcher uses no more of the stream than this.
  return { agent, manager: manager as unknown as AgentStream };
}
