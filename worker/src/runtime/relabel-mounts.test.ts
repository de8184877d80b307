/** Which files get which label, with a `chcon` that writes down how it was called. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { relabelMounts } from './relabel-mounts.js';

const LABEL = 'system_u:object_r:container_file_t:s0:c1,c2';

describe('the labels of what is mounted', () => {
  let directory: string;
  let calls: string[];
  beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'swarmts-label-')));
    calls = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const helper = (stderr = '') => ({
    run: async ({ argv }: { readonly argv: readonly string[] }) => {
      calls.push(argv.join(' '));
      return { code: stderr === '' ? 0 : 1, signal: '', stdout: Buffer.alloc(0), stderr: Buffer.from(stderr) };
    },
  });
  const made = (name: string) => {
    mkdirSync(join(directory, name));
    return join(directory, name);
  };

  it('are those of the container for Z, and of all containers for z', async () => {
    const [own, all, kept] = ['own', 'all', 'kept'].map(made) as [string, string, string];
    symlinkSync(all, join(directory, 'link'));
    await relabelMounts(helper(), LABEL, [
      { source: own, mode: 'ro,Z' },
      { source: join(directory, 'link'), mode: 'z' },
      { source: kept, mode: 'ro' },
      { source: kept },
    ]);
    assert.deepEqual(calls, [
      `chcon -R -h -- ${LABEL} ${own}`,
      `chcon -R -h -- system_u:object_r:container_file_t:s0 ${all}`,
    ]);
  });

  it('stay as they are for a container without a label, and on file systems that have none', async () => {
    const source = made('a');
    await relabelMounts(helper(), '', [{ source, mode: 'z' }]);
    assert.deepEqual(calls, []);
    const why = `chcon: failed to change context of '${source}': Operation not supported`;
    await relabelMounts(helper(`${why}\n${why}\n`), LABEL, [{ source, mode: 'z' }]);
    assert.equal(calls.length, 1);
  });

  it('are refused for what the machine lives on, and where the kernel refuses them', async () => {
    const refused = (work: Promise<void>, message: RegExp) =>
      assert.rejects(work, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
    for (const source of ['/', '/etc', '/usr/share', '/var/'])
      await refused(
        relabelMounts(helper(), LABEL, [{ source, mode: 'Z' }]),
        /SELinux relabeling of \S+ is not allowed$/,
      );
    assert.deepEqual(calls, []);
    const source = made('a');
    const message = /^error setting label on mount source '.*\/a': chcon: not permitted$/;
    await refused(relabelMounts(helper('chcon: not permitted\n'), LABEL, [{ source, mode: 'Z' }]), message);
  });
});
