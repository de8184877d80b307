import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRemappedRoot } from './remapped-root.js';

describe('the data root of a daemon with user namespaces', () => {
  let dataRoot: string;
  let said: string[];
  beforeEach(() => {
    dataRoot = mkdtempSync(join(tmpdir(), 'swarmts-remap-'));
    said = [];
  });
  afterEach(() => rmSync(dataRoot, { recursive: true }));

  const log = { info: (m: string) => void said.push(m), warn: (m: string) => void said.push(m) };
  const helper = (stdout: string) => ({
    run: () => Promise.resolve({ code: 0, signal: '', stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) }),
  });

  it('is the one that was configured where containers have the ids of the machine', async () => {
    const none = await openRemappedRoot({ dataRoot, usernsRemap: '' }, helper(''), log);
    assert.deepEqual([none, said], [{ dataRoot, idMaps: undefined }, []]);
    const root = await openRemappedRoot({ dataRoot, usernsRemap: 'root' }, helper('root:x:0:0::/root:/bin/sh'), log);
    assert.deepEqual(root, { dataRoot, idMaps: undefined });
    assert.match(said.join(), /root cannot be remapped with itself/);
  });

  it('says what is wrong with a user that cannot be taken', async () => {
    const usernsRemap = 'nosuchuser-of-swarmts';
    const alone = helper(`${usernsRemap}:x:4242:4242::/:/bin/sh`);
    await assert.rejects(openRemappedRoot({ dataRoot, usernsRemap }, alone, log), /no subordinate ids for nosuchuser/);
    assert.equal(statSync(dataRoot).isDirectory(), true);
  });
});
