/**
 * The last events of the cluster in the order of the store, with the same positions on every manager: which of them the bus has not
 * got yet can be told by whoever leads. Bounded: the oldest go first, and what was lost is known.
 */
import { type AnyChange, eventOf } from '@swarmts/manager';
import { observedState, taskName, taskStateName } from '@swarmts/proto';

/** Some minutes of a busy cluster; an event takes less than a kilobyte. */
export const MAX_JOURNAL_EVENTS = 20_000;

/** Version of the store, and the number of the event among those of that version. */
export interface Position {
  readonly version: number;
  readonly number: number;
}

export interface BusEvent {
  /** Kind of the object. */
  readonly type: string;
  /** Of tasks: the state that was reached, or "remove". */
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
  readonly at: Position;
}

export class EventJournal {
  readonly #events: BusEvent[] = [];
  readonly #limit: number;
  /** Events up to this version may be missing. */
  #knownAfter: number;
  #last: Position;

  /** `version` of the store when the journal begins. */
  constructor(version: number, limit = MAX_JOURNAL_EVENTS) {
    this.#knownAfter = version;
    this.#last = { version, number: 0 };
    this.#limit = limit;
  }

  /** A change that was committed with `version`. */
  add(change: AnyChange, version: number, nowMs: number): void {
    const event = eventOf(change) ?? taskEventOf(change);
    if (!event) return;
    // What is removed is the object as it was before.
    const timeMs = change.action === 'remove' ? nowMs : (change.object.meta?.updatedAtMs ?? nowMs);
    const number = version === this.#last.version ? this.#last.number + 1 : 1;
    this.#last = { version, number };
    this.#events.push({ ...event, timeMs, at: this.#last });
    if (this.#events.length <= this.#limit) return;
    this.#knownAfter = this.#events.shift()?.at.version ?? this.#knownAfter;
  }

  /** A snapshot has taken the place of changes. */
  restored(version: number): void {
    this.#events.length = 0;
    this.#knownAfter = version;
    this.#last = { version, number: 0 };
  }

  /** What comes after a position, and the version up to which something may be missing before it; without position: all. */
  after(position: Position | undefined): {
    readonly events: readonly BusEvent[];
    readonly missingUpTo: number | undefined;
  } {
    if (!position) return { events: [...this.#events], missingUpTo: undefined };
    const events = this.#events.slice(this.#events.findLastIndex((e) => !isAfter(e.at, position)) + 1);
    return { events, missingUpTo: position.version < this.#knownAfter ? this.#knownAfter : undefined };
  }
}

function isAfter(a: Position, b: Position): boolean {
  return a.version > b.version || (a.version === b.version && a.number > b.number);
}

function taskEventOf(c: AnyChange): Omit<BusEvent, 'at' | 'timeMs'> | undefined {
  if (c.kind !== 'task') return undefined;
  const state = observedState(c.object);
  if (c.action === 'update' && c.old && observedState(c.old) === state) return undefined;
  const attributes = {
    name: taskName(c.object),
    service: c.object.serviceId,
    node: c.object.nodeId,
    ...(c.object.status?.err ? { error: c.object.status.err } : {}),
  };
  const action = c.action === 'remove' ? 'remove' : taskStateName(state);
  return { type: 'task', action, id: c.object.id, attributes };
}
