import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NodeState, NodeStateFile } from './node-state.js';

describe('what a node remembers of its membership', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-state-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const state = (raftId: number): NodeState => ({
    ...{ listenAddr: '0.0.0.0:2377', advertiseAddr: '10.0.0.1:2377', dataPathAddr: '10.0.0.1' },
    ...{ raftId, managers: [], joinAddr: '', bootstrap: 'x'.repeat(raftId === 1 ? 1_000_000 : 1) },
  });

  it('is what was saved last, also when that was asked for while another was being written', async () => {
    const file = new NodeStateFile(dir);
    await Promise.all(Array.from({ length: 20 }, (_, i) => file.save(state(i + 1))));
    assert.equal((await new NodeStateFile(dir).load())?.raftId, 20);
  });

  it('does not come back when it is removed while it is being written', async () => {
    const file = new NodeStateFile(dir);
    const saved = file.save(state(1));
    await file.remove();
    await saved;
    assert.equal(await file.load(), undefined);
    assert.deepEqual(readdirSync(dir), []);
  });

  it('names the way out when it cannot be read', async () => {
    writeFileSync(join(dir, 'state.json'), '{"raftId":');
    await assert.rejects(new NodeStateFile(dir).load(), {
      code: 'corrupt',
      message: /state\.json cannot be read \(.*\): restore it, or leave with --force and join again/,
    });
  });
});
