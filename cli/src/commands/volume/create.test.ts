import assert from 'node:assert/strict';
import { runCli } from '../../testing/fake-api.js';

describe('volume create', () => {
  const create = async (...args: readonly string[]) => {
    const run = await runCli(['volume', 'create', ...args], {
      'POST /volumes/create': () => ({ status: 201, json: { Name: 'data' } }),
    });
    return { ...run, sent: (run.requests[0]?.body ?? {}) as Record<string, unknown> };
  };
  const mode = ({ sent }: Awaited<ReturnType<typeof create>>) =>
    (sent.ClusterVolumeSpec as { readonly AccessMode?: object } | undefined)?.AccessMode;

  it('makes a volume of the node unless something of a cluster volume is asked for', async () => {
    const plain = await create('--opt', 'type=tmpfs', 'data');
    assert.deepEqual([plain.code, plain.out], [0, 'data\n']);
    assert.deepEqual(plain.sent, { Name: 'data', Driver: 'local', DriverOpts: { type: 'tmpfs' }, Labels: {} });
  });

  it('makes a device of a cluster volume, or a file system where that is asked for', async () => {
    const single = { Scope: 'single', Sharing: 'none' };
    assert.deepEqual(mode(await create('--group', 'g', 'data')), { ...single, BlockVolume: {} });
    assert.deepEqual(mode(await create('--type', 'mount', 'data')), { ...single, MountVolume: {} });
    assert.match((await create('--type', 'tape', 'data')).err, /invalid access type "tape" of a volume/);
  });
});
