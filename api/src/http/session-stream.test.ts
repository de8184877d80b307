import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../container-backend.js';
import { joinSession } from './session-stream.js';

const PLAIN = { detachKeys: new Uint8Array(), stdin: false, framed: false };
const CHUNK = Buffer.alloc(10_000, 'x');
/** Longer than what a client still sends is waited for. */
const PAUSE_MS = 1_500;

/** A process that ends when `show` does. */
function processThat(show: (out: (data: Buffer) => Promise<void>) => Promise<void>): Session {
  return {
    tty: false,
    pump: (sink) => show((data) => sink({ stream: 'stdout', data })),
    write: async () => undefined,
    end: async () => undefined,
    close: async () => undefined,
    detach: async () => undefined,
  };
}

describe('what a process showed last', () => {
  /** A client that has ended its side and takes what is written when `accept` is called, or loses it with its connection. */
  class LateReader extends Duplex {
    readonly taken: Buffer[] = [];
    accept: () => void = () => undefined;

    constructor() {
      super();
      this.push(null);
    }

    override _read(): void {}

    override _write(chunk: Buffer, _encoding: string, taken: () => void): void {
      this.accept = () => {
        this.taken.push(chunk);
        taken();
      };
    }

    override _destroy(e: Error | null, done: (e: Error | null) => void): void {
      this.accept = () => undefined;
      done(e);
    }
  }

  it('reaches a client that has ended its side and reads late', async () => {
    const client = new LateReader();
    const joined = joinSession(
      client,
      processThat((out) => out(CHUNK)),
      PLAIN,
    );
    await delay(50);
    client.accept();
    await joined;
    assert.deepEqual(Buffer.concat(client.taken).length, CHUNK.length);
    assert.ok(client.destroyed);
  });

  it('is waited for no longer when the client goes', async () => {
    const client = new LateReader();
    const joined = joinSession(
      client,
      processThat((out) => out(CHUNK)),
      PLAIN,
    );
    await delay(50);
    client.destroy();
    await joined;
    assert.deepEqual(client.taken, []);
  });

  describe('on a real connection', () => {
    let dir: string;
    let server: Server;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'swarmts-session-'));
      server = createServer({ allowHalfOpen: true });
    });
    afterEach(() => {
      server.close();
      rmSync(dir, { recursive: true });
    });

    const connected = async (listen: ListenOptions) => {
      server.listen(listen);
      await once(server, 'listening');
      const accepted = once(server, 'connection');
      const at = server.address() as string | AddressInfo;
      // It reads nothing before it is asked to.
      const client = (typeof at === 'string' ? connect(at) : connect(at.port, at.address)).pause();
      const [connection] = (await accepted) as [Socket];
      return { client, connection };
    };
    const lengthOf = async (client: Socket) => {
      let read = 0;
      for await (const data of client) read += (data as Buffer).length;
      return read;
    };

    it('reaches a client that pauses with all buffers full', async () => {
      const { client, connection } = await connected({ path: join(dir, 'socket') });
      let shown = 0;
      // The kernel takes no more, and what is left fits into the buffer of the connection.
      const fill = processThat(async (out) => {
        for (; connection.writableLength === 0; shown += CHUNK.length) await out(CHUNK);
      });
      const joined = joinSession(connection, fill, PLAIN);
      await delay(PAUSE_MS);
      assert.equal(await lengthOf(client), shown);
      await joined;
      assert.ok(shown > CHUNK.length);
    });

    it('reaches a client that types more than the process takes', async () => {
      const { client, connection } = await connected({ host: '127.0.0.1', port: 0 });
      // More than the client's side takes unread, and less than the kernel does.
      const shown = Buffer.alloc(500_000, 'x');
      const refused = new EventEmitter();
      const typed = once(refused, 'write');
      const session = {
        ...processThat(async (out) => {
          await typed;
          await out(shown);
        }),
        write: async () => {
          refused.emit('write');
          throw new Error('the process has closed its input');
        },
      };
      const joined = joinSession(connection, session, { ...PLAIN, stdin: true });
      client.write(Buffer.alloc(300_000, 'x'));
      await joined;
      assert.equal(await lengthOf(client), shown.length);
    });
  });
});
