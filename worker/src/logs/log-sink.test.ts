import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HelperApi } from '../helper/helper-api.js';
import { openSink, parseSinkAddress } from './log-sink.js';

describe('a syslog connection', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-sink-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is closed over a line that nobody takes, and has passed on what was taken', async () => {
    const server = createServer({ pauseOnConnect: true }).listen(join(dir, 'log'));
    try {
      await once(server, 'listening');
      const accepted = once(server, 'connection');
      const address = parseSinkAddress(`unix://${join(dir, 'log')}`);
      // A stream needs no helper.
      const sink = await openSink(address, {}, {} as Partial<HelperApi> as HelperApi);
      const [connection] = (await accepted) as [Socket];
      await sink.send(Buffer.from('taken'));
      const refused = assert.rejects(sink.send(Buffer.alloc(8 << 20, 'x')), /the syslog connection is closed/);
      await sink.close();
      await refused;
      let text = '';
      for await (const data of connection) text += (data as Buffer).toString();
      assert.match(text, /^taken\nx+$/);
    } finally {
      server.close();
    }
  });
});
