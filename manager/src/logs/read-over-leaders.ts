/**
 * Logs over changes of the leader: the leader alone can ask the nodes, so a reader is connected to the next one, which goes on where the
 * one before has stopped.
 */
import { asSwarmtsError, type Clock, type ErrorCode, sleep } from '@swarmts/lib';
import type { LogChunk, LogQuery } from '@swarmts/proto';
import type { LogSubject } from './log-broker.js';
import { LogProgress } from './log-progress.js';

/** Those who do not follow wait so long for the next leader; followers as long as they like. */
const NEXT_LEADER_MS = 3_000;
const POLL_MS = 50;

/** How a stream from a leader ends that leads no more, or cannot be reached. */
const leaderGone: ReadonlySet<ErrorCode> = new Set(['no-leader', 'not-leader', 'unavailable', 'aborted']);

export interface LogLeaders {
  readonly clock: Clock;
  /** Lines as the present leader has them from the nodes. Throws SwarmtsError. */
  open(subject: LogSubject, query: LogQuery, signal: AbortSignal): AsyncIterable<LogChunk>;
}

/** Throws SwarmtsError; when `signal` aborts, too. */
export async function* readOverLeaders(
  leaders: LogLeaders,
  subject: LogSubject,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const progress = new LogProgress(subject.from);
  let goneAtMs: number | undefined;
  for (;;) {
    try {
      for await (const chunk of leaders.open({ ...subject, from: progress.list() }, query, signal)) {
        goneAtMs = undefined;
        progress.note(chunk);
        yield chunk;
      }
      return;
    } catch (e) {
      if (signal.aborted || !leaderGone.has(asSwarmtsError(e).code)) throw e;
      const nowMs = leaders.clock.monotonic();
      goneAtMs ??= nowMs;
      if (!query.follow && nowMs - goneAtMs >= NEXT_LEADER_MS) throw e;
      await sleep(leaders.clock, POLL_MS, signal);
    }
  }
}
