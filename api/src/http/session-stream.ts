/** Joins a hijacked connection with the streams of a process, until one of them ends or the detach keys are typed. */
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { drained } from '@swarmts/lib';
import type { Session } from '../container-backend.js';
import { DetachFilter } from './detach-keys.js';
import { frame } from './stdcopy.js';

export interface SessionOptions {
  /** Typed in a terminal, they end the connection. */
  readonly detachKeys: Uint8Array;
  /** Bytes from the connection reach the process. */
  readonly stdin: boolean;
  /** Output carries Docker's frames, which tell stdout from stderr. */
  readonly framed: boolean;
}

const LINGER_MS = 1000;

/** Resolves when the connection is over. */
export async function joinSession(connection: Duplex, session: Session, options: SessionOptions): Promise<void> {
  const gone = new Promise<void>((resolve) => connection.once('close', resolve));
  const leave = () => void session.close();
  connection.once('close', leave);
  connection.on('error', () => connection.destroy());
  const typing = typeInto(connection, session, options);
  const showing = session
    .pump(({ stream, data }) => send(connection, options.framed ? frame(stream, data) : data))
    .finally(() => connection.end());
  try {
    // The end of the output is the end; the end of the input is not.
    await Promise.race([showing, gone]);
  } finally {
    connection.off('close', leave);
    await session.close();
    // Whoever reads slowly gets everything, however long it takes; who goes away closes the connection.
    await finished(connection, { readable: false }).catch(() => undefined);
    // What the client still sends is read: a connection that is closed over it may lose what was shown last.
    const timer = setTimeout(() => connection.destroy(), LINGER_MS);
    await Promise.allSettled([typing, showing]);
    connection.resume();
    await gone;
    clearTimeout(timer);
  }
}

async function typeInto(connection: Duplex, session: Session, options: SessionOptions): Promise<void> {
  const filter = session.tty ? new DetachFilter(options.detachKeys) : undefined;
  try {
    for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
      if (!options.stdin) continue;
      const { bytes, detached } = filter?.push(chunk as Buffer) ?? { bytes: chunk as Buffer, detached: false };
      if (bytes.length > 0) await session.write(bytes);
      if (!detached) continue;
      connection.end();
      await session.detach();
      return;
    }
    if (options.stdin) await session.end();
  } catch {
    // Whoever typed has gone, or the process takes no more: the output decides when it is over.
  }
}

async function send(connection: Duplex, bytes: Uint8Array): Promise<void> {
  if (connection.destroyed || connection.writableEnded) return;
  connection.write(bytes);
  await drained(connection);
}
