/** Terminals that the helper holds. Needs root. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, startTestHost, type TestHost } from './test-host.js';

/** Writes until nothing has been taken for a while, says how much that was, and ends. */
const FILLS_THE_TERMINAL = `
import os, sys, time, tty
tty.setraw(1)
os.set_blocking(1, False)
written, idle = 0, 0
while idle < 10:
    try:
        written += os.write(1, b"x" * 1000)
        idle = 0
    except BlockingIOError:
        idle += 1
        time.sleep(0.02)
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(written))
os.rename(sys.argv[1] + ".new", sys.argv[1])
`;
/** Longer than the end of a connection is waited for. */
const PAUSE_MS = 1_500;

describe('what was shown in a terminal', function () {
  this.timeout(60_000);
  let host: TestHost;
  beforeEach(async () => {
    host = await startTestHost();
  });
  afterEach(() => host.close());

  it('reaches a reader that pauses with all buffers full when the process ends', async () => {
    const [socket, file] = [join(host.dir, 'terminal'), join(host.dir, 'written')];
    const server = createServer({ pauseOnConnect: true }).listen(socket);
    try {
      const accepted = once(server, 'connection');
      const running = host.helper.runInTerminal({
        process: { argv: ['python3', '-c', FILLS_THE_TERMINAL, file], env: { PATH: process.env.PATH ?? '' } },
        size: { rows: 24, columns: 80 },
        socket,
        name: 'full',
      });
      const [connection] = (await accepted) as [Socket];
      await eventually('the terminal is full', () => existsSync(file));
      await delay(PAUSE_MS);
      let read = 0;
      for await (const data of connection) read += (data as Buffer).length;
      assert.equal(read, Number(readFileSync(file, 'utf8')));
      assert.equal((await running).code, 0);
    } finally {
      server.close();
    }
  });
});
