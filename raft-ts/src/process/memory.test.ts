// Memory over many entries. RAFT_LONG=1 takes ten million of them; what is kept must not depend on how many there were.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MemoryNetwork } from '../driver/memory-network.js';
import { RaftNode } from '../driver/raft-node.js';
import type { CommittedEntry } from '../types.js';

const ENTRIES = process.env.RAFT_LONG === '1' ? 10_000_000 : 200_000;
const BATCH = 2_000;
const VALUE_BYTES = 256;
const MAX_GROWTH_BYTES = 24 * 1024 * 1024;
const SEGMENT_BYTES = 16 * 1024 * 1024;

/** Bytes in use by JavaScript and its buffers, garbage apart. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('a member that goes on and on', () => {
  it('keeps memory and disk flat', async function () {
    this.timeout(1_800_000);
    const dir = await mkdtemp(join(tmpdir(), 'raft-memory-'));
    let applied = 0;
    const node = await RaftNode.open({
      id: 1,
      dir,
      bootstrapPeers: [1],
      transport: new MemoryNetwork().transport(1),
      stateMachine: {
        apply(entries: readonly CommittedEntry[]) {
          applied += entries.length;
        },
        snapshot: () => Buffer.from(`${applied}`),
        restore: () => undefined,
      },
      segmentBytes: SEGMENT_BYTES,
      onFatal: (error) => {
        throw error;
      },
    });
    try {
      node.start();
      const data = Buffer.alloc(VALUE_BYTES, 1);
      let early = 0;
      for (let count = 0; count < ENTRIES; count += BATCH) {
        await Promise.all(Array.from({ length: BATCH }, async () => await node.propose(data)));
        // Past the first snapshots everything is there that will ever be.
        if (count === ENTRIES / 4) early = memoryInUse();
      }
      const late = memoryInUse();
      assert.equal(applied, ENTRIES);
      assert.ok(node.metrics().snapshotsTaken >= ENTRIES / 50_000, `${node.metrics().snapshotsTaken} snapshots`);
      assert.ok(late - early < MAX_GROWTH_BYTES, `from ${early} to ${late} bytes`);
      const segments = await readdir(join(dir, 'wal'));
      assert.ok(segments.length <= 4, `${segments.length} segments`);
    } finally {
      await node.stop();
      await rm(dir, { recursive: true });
    }
  });
});
