import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './find-program.js';

describe('the search for a program', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-path-'));
    writeFileSync(join(dir, 'tool'), '');
    chmodSync(join(dir, 'tool'), 0o755);
    writeFileSync(join(dir, 'notes'), '');
    mkdirSync(join(dir, 'folder'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('goes along the path, and to the system directories whatever the path', () => {
    assert.equal(findProgram('tool', `/nowhere:${dir}`), join(dir, 'tool'));
    assert.match(findProgram('sh', '') ?? '', /\/bin\/sh$/);
  });

  it('takes a path as it is', () => {
    assert.equal(findProgram(join(dir, 'tool')), join(dir, 'tool'));
    assert.equal(findProgram(join(dir, 'absent')), undefined);
  });

  it('finds neither files that cannot be run nor folders', () => {
    assert.equal(findProgram('notes', dir), undefined);
    assert.equal(findProgram('folder', dir), undefined);
  });
});
