import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileIfThere, sweepUnfinished, writeFileAtomic, writeNewFile } from './atomic-file.js';

describe('files that are replaced as a whole', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-atomic-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are written with their folder, and leave nothing beside them', async () => {
    const path = join(dir, 'below', 'file');
    for (const text of ['one', 'two']) await writeFileAtomic(path, text);
    assert.equal(readFileSync(path, 'utf8'), 'two');
    assert.deepEqual(readdirSync(join(dir, 'below')), ['file']);
    assert.equal(await readFileIfThere(join(dir, 'none')), undefined);
  });

  it('are written in place as long as nobody depends on them', async () => {
    const path = join(dir, 'file');
    writeFileSync(path, 'half of wha');
    await writeNewFile(path, 'all');
    assert.equal(readFileSync(path, 'utf8'), 'all');
    assert.deepEqual(readdirSync(dir), ['file']);
    await assert.rejects(writeNewFile(join(dir, 'none', 'file'), 'x'), { code: 'ENOENT' });
  });

  it('are what remains when the unfinished ones are swept', () => {
    for (const name of ['a', 'a.tmp-12-0', 'b.tmp', '.tmp-1-2-3']) writeFileSync(join(dir, name), '');
    sweepUnfinished(dir);
    assert.deepEqual(readdirSync(dir).sort(), ['.tmp-1-2-3', 'a', 'b.tmp']);
  });
});
