/**
 * The other side of a `ControlClient`: a process that is told lines of JSON over a unix socket and acknowledges each when it is in force. It
 * ends when it has nothing to do and nobody has spoken to it for a while, or when another build speaks to it.
 */
import { existsSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { type Logger, messageOf, systemClock } from '@swarmts/lib';
import { LineDecoder } from './line-decoder.js';

const IDLE_EXIT_MS = 30_000;
const IDLE_CHECK_MS = 5_000;

/** What every message has. */
export interface ControlMessage {
  readonly protocol: number;
  readonly sequence: number;
}

export interface ControlServerOptions<M extends ControlMessage> {
  readonly path: string;
  /** Another number means another build: this process ends, and the daemon starts its own. */
  readonly protocol: number;
  /** One after the other. Resolves to what is acknowledged. */
  readonly apply: (message: M) => Promise<object>;
  readonly isIdle: () => boolean;
  readonly log: Logger;
}

/** Resolves at once when another process serves the path already. */
export async function serveControl<M extends ControlMessage>(o: ControlServerOptions<M>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
  if (await isAlive(o.path)) return;
  if (existsSync(o.path)) unlinkSync(o.path);
  let lastSpokenAt = systemClock.monotonic();
  let clients = 0;
  let tail: Promise<void> = Promise.resolve();
  const onLine = (client: Socket, line: string) => {
    // Written by the daemon alone; another build is told apart by its number.
    const message = JSON.parse(line) as M;
    if (message.protocol !== o.protocol) process.exit(0);
    tail = tail
      .then(() => o.apply(message))
      .then((ack) => void client.write(`${JSON.stringify({ ...ack, sequence: message.sequence })}\n`))
      .catch((e: unknown) => o.log.error('an update was not applied', { error: messageOf(e) }));
  };
  const control = createServer((client) => {
    clients++;
    const decoder = new LineDecoder();
    client.on('data', (chunk: Buffer) => {
      lastSpokenAt = systemClock.monotonic();
      try {
        for (const line of decoder.push(chunk)) onLine(client, line);
      } catch (e) {
        o.log.error('the daemon sent no JSON', { error: messageOf(e) });
        client.destroy();
      }
    });
    client.on('error', () => undefined);
    client.on('close', () => {
      clients--;
      lastSpokenAt = systemClock.monotonic();
    });
  });
  control.on('error', (e) => {
    o.log.error('the control socket failed', { error: messageOf(e) });
    process.exit(1);
  });
  control.listen(o.path);
  const check = () => {
    const idle = o.isIdle() && clients === 0 && systemClock.monotonic() - lastSpokenAt > IDLE_EXIT_MS;
    if (idle || !existsSync(o.path)) process.exit(0);
    systemClock.after(IDLE_CHECK_MS, check);
  };
  check();
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
