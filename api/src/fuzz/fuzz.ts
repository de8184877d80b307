/**
 * Sends what the fuzzer makes to an API server over a backend in memory, many connections at a time, and tells what was wrong: no
 * answer, an answer that is none, an error that is a bug, connections or listeners that stay.
 */
import { connect } from 'node:net';
import { createLogger, seededRandom, silentLogger } from '@swarmts/lib';
import { engineRoutes } from '../server.js';
import { Harness } from '../testing/harness.js';
import { memoryBackend } from '../testing/memory-backend.js';
import { readAnswers } from './answers.js';
import { type FuzzCase, RequestFuzzer } from './requests.js';

export interface FuzzReport {
  readonly requests: number;
  /** Answers by their status. */
  readonly statuses: ReadonlyMap<number, number>;
  readonly problems: readonly string[];
}

const CONCURRENCY = 32;
/** A stream is left after so long without anything new. */
const QUIET_MS = 20;
const PAUSE_MS = 2;
/** Whoever must answer has so long for it, on a busy machine. */
const ANSWER_TIMEOUT_MS = 10_000;
const MAX_PROBLEMS = 20;

export async function fuzz(seed: number, count: number): Promise<FuzzReport> {
  const problems: string[] = [];
  const note = (text: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push(text);
  };
  const log = createLogger({ level: 'error', write: (line) => note(`was logged: ${line.trim().slice(0, 600)}`) });
  const onUncaught = (e: unknown) => note(`uncaught: ${e instanceof Error ? e.stack : String(e)}`);
  process.on('uncaughtException', onUncaught);
  process.on('unhandledRejection', onUncaught);
  const api = await Harness.start(log);
  const statuses = new Map<number, number>();
  const before = openPipes();
  try {
    const fuzzer = new RequestFuzzer(seededRandom(seed), patterns());
    let left = count;
    const work = async () => {
      while (left-- > 0) {
        const c = fuzzer.next();
        const result = await exchange(api.socket, c);
        for (const s of result.statuses) statuses.set(s, (statuses.get(s) ?? 0) + 1);
        for (const p of result.problems)
          note(
            `${p} after ${JSON.stringify(
              Buffer.concat([...c.parts])
                .toString('latin1')
                .slice(0, 600),
            )}`,
          );
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    await settled(api, before, note);
  } finally {
    await api.stop();
    process.off('uncaughtException', onUncaught);
    process.off('unhandledRejection', onUncaught);
  }
  return { requests: count, statuses, problems };
}

function patterns(): readonly string[] {
  const { routes, hub } = engineRoutes({ backend: memoryBackend(), version: 'x', log: silentLogger, now: Date.now });
  hub.close();
  return routes.map((r) => `${r.method} ${r.pattern}`);
}

interface Exchange {
  readonly statuses: readonly number[];
  readonly problems: readonly string[];
}

/** One connection: everything is sent, and what comes is read until it ends or is quiet. */
async function exchange(socketPath: string, c: FuzzCase): Promise<Exchange> {
  const socket = connect(socketPath);
  const chunks: Buffer[] = [];
  let lastMs = performance.now();
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    lastMs = performance.now();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<true>((resolve) => socket.once('close', () => resolve(true)));
  const begin = performance.now();
  for (const part of c.parts) {
    if (!socket.destroyed) socket.write(part);
    await pause(PAUSE_MS);
  }
  for (;;) {
    const ended = await Promise.race([closed, pause(QUIET_MS).then(() => false)]);
    const quiet = performance.now() - lastMs >= QUIET_MS && (chunks.length > 0 || !c.mustAnswer);
    if (ended || quiet || performance.now() - begin > ANSWER_TIMEOUT_MS) break;
  }
  socket.destroy();
  const { statuses, errors } = readAnswers(Buffer.concat(chunks), c.methods);
  const silent = c.mustAnswer && statuses.length === 0 ? ['no answer'] : [];
  return { statuses, problems: [...errors, ...silent] };
}

/** Nobody listens any more, and the server is well. */
async function settled(api: Harness, before: number, note: (text: string) => void): Promise<void> {
  const deadline = performance.now() + ANSWER_TIMEOUT_MS;
  // A client that only reads is missed when there is something to show.
  for (const session of api.backend.containers.sessions) await session.write(Buffer.from('x'));
  while (openPipes() > before && performance.now() < deadline) await pause(QUIET_MS);
  if (openPipes() > before) note(`${openPipes() - before} connections stay open`);
  const ping = await api.send('GET', '/_ping');
  if (ping.status !== 200) note(`/_ping answers ${ping.status}`);
}

const openPipes = () => process.getActiveResourcesInfo().filter((r) => r === 'PipeWrap').length;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
