/** Volumes on disk. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { readMounts } from '../runtime/mountinfo.js';
import { copyContent, imageContent } from './copy-up.js';
import { VolumeStore } from './volume-store.js';

describe('the volume store', () => {
  let helper: PrivilegedHelper;
  let dir: string;
  let users: string[];
  let events: string[];

  before(async () => {
    helper = await startHelper();
  });

  after(async () => {
    await helper.close();
  });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-volumes-'));
    users = [];
    events = [];
  });

  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const open = () =>
    VolumeStore.open({
      root: join(dir, 'volumes'),
      helper,
      clock: systemClock,
      logger: silentLogger,
      users: () => users,
      emit: (e) => events.push(`${e.action} ${e.id}`),
    });

  it('creates, finds, lists and removes, over restarts', async () => {
    const store = await open();
    const made = await store.create({ name: 'vol', labels: { a: 'b' } });
    assert.equal(made.mountpoint, join(dir, 'volumes', 'vol', '_data'));
    assert.ok(existsSync(made.mountpoint));
    writeFileSync(join(made.mountpoint, 'data'), 'kept');
    assert.deepEqual(await store.create({ name: 'vol' }), made);
    const again = await open();
    assert.deepEqual(await again.list(), [made]);
    await again.remove('vol', false);
    assert.deepEqual(readdirSync(join(dir, 'volumes')), []);
    assert.deepEqual(events, ['create vol', 'destroy vol']);
  });

  it('makes up names for anonymous volumes and marks them', async () => {
    const made = await (await open()).create({ name: '', labels: { x: 'y' } });
    assert.match(made.name, /^[0-9a-f]{64}$/);
    assert.deepEqual(made.labels, { 'com.docker.volume.anonymous': '', x: 'y' });
  });

  it('refuses to remove what is used or not there', async () => {
    const store = await open();
    await store.create({ name: 'vol' });
    users = ['c1', 'c2'];
    await assert.rejects(
      store.remove('vol', true),
      (e) => isSwarmtsError(e, 'conflict') && e.message === 'remove vol: volume is in use - [c1, c2]',
    );
    await assert.rejects(
      store.remove('none', false),
      (e) => isSwarmtsError(e, 'not-found') && e.message === 'get none: no such volume',
    );
    await store.remove('none', true);
  });

  it('removes one whose files somebody has deleted', async () => {
    const store = await open();
    await store.create({ name: 'vol' });
    rmSync(join(dir, 'volumes', 'vol'), { recursive: true });
    await store.remove('vol', false);
    assert.deepEqual([await store.list(), events], [[], ['create vol', 'destroy vol']]);
  });

  describe('with the files of somebody else behind one', () => {
    let behind: string;
    let mounted: string[];
    beforeEach(() => {
      behind = join(dir, 'behind');
      mkdirSync(behind);
      writeFileSync(join(behind, 'file'), 'precious');
      mounted = [];
    });
    afterEach(async () => {
      for (const path of mounted) await helper.unmount(path);
      assert.deepEqual(readdirSync(behind), ['file']);
    });

    const bound = () => ({ name: 'vol', options: { type: 'none', o: 'bind', device: behind } });

    it('removes the volume alone, also when an earlier run has left it mounted', async () => {
      const before = await open();
      const { mountpoint } = await before.create(bound());
      mounted.push(mountpoint);
      await before.acquire('vol', 'c1');
      assert.deepEqual(readdirSync(mountpoint), ['file']);
      const store = await open();
      await store.remove('vol', false);
      assert.deepEqual(readdirSync(join(dir, 'volumes')), []);
    });

    it('does not remove one in which something else is mounted', async () => {
      const store = await open();
      const { mountpoint } = await store.create({ name: 'vol' });
      const inside = join(mountpoint, 'in side');
      mkdirSync(inside);
      mounted.push(inside);
      await helper.mount({ source: behind, target: inside, fstype: 'none', flags: ['bind'] });
      await assert.rejects(
        store.remove('vol', true),
        (e) => isSwarmtsError(e, 'conflict') && e.message.startsWith(`remove vol: something is mounted at ${inside}`),
      );
      assert.deepEqual((await store.list()).length, 1);
      await helper.unmount(inside);
      await store.remove('vol', false);
    });

    it('goes on with removals that a crash has cut short, but not where something is mounted', async () => {
      const left = join(dir, 'volumes', '.removing-0123');
      mounted.push(join(left, '_data'));
      mkdirSync(join(left, '_data'), { recursive: true });
      await helper.mount({ source: behind, target: join(left, '_data'), fstype: 'none', flags: ['bind'] });
      await open();
      assert.deepEqual(readdirSync(join(dir, 'volumes')), ['.removing-0123']);
      await helper.unmount(join(left, '_data'));
      await open();
      assert.deepEqual(readdirSync(join(dir, 'volumes')), []);
    });
  });

  it('refuses names that are paths, and options it does not know', async () => {
    const store = await open();
    for (const name of ['../x', 'a/b', '.hidden', 'a b'])
      await assert.rejects(store.create({ name }), /includes invalid characters for a local volume name/);
    await assert.rejects(store.create({ name: 'v' }), /^SwarmtsError: create v: volume name is too short/);
    await assert.rejects(
      store.create({ name: 'vol', options: { nope: '1' } }),
      /^SwarmtsError: create vol: invalid option: "nope"$/,
    );
    for (const [options, missing] of [
      [{ type: 'nfs' }, 'device'],
      [{ device: '/x' }, 'type'],
      [{ o: 'ro' }, 'device'],
    ] as const)
      await assert.rejects(store.create({ name: 'vol', options }), new RegExp(`missing required option: "${missing}"`));
  });

  it('refuses sizes, as it has no quotas', async () => {
    const store = await open();
    const create = (size: string) => store.create({ name: 'vol', options: { size } });
    await assert.rejects(create('10G'), /create vol: quota size requested but no quota support$/);
    await assert.rejects(create('much'), /create vol: invalid size: 'much'$/);
    await create('0');
  });

  it('says why one cannot be mounted, without passwords, and goes on', async () => {
    const store = await open();
    const o = 'addr=127.0.0.1,password=geheim';
    for (const [name, type] of [
      ['aside', 'no-such-type'],
      ['here', 'none'],
    ] as const) {
      const { mountpoint } = await store.create({ name, options: { type, device: '/does-not-exist', o } });
      const mounting = store.acquire(name, 'c1');
      await assert.rejects(mounting, (e) => {
        assert.ok(isSwarmtsError(e), String(e));
        assert.ok(e.message.startsWith(`error while mounting volume '${mountpoint}': `), e.message);
        assert.match(e.message, /\/does-not-exist on .*: E/);
        assert.doesNotMatch(e.message, /geheim/);
        return true;
      });
      await store.remove(name, false);
    }
  });

  it('mounts file systems of other machines and disks in a process of its own', async () => {
    const store = await open();
    const { mountpoint } = await store.create({
      name: 'vol',
      options: { type: 'ramfs', device: 'ramfs', o: 'noatime' },
    });
    const mounts = () => readMounts().filter((m) => m.target === mountpoint);
    await store.acquire('vol', 'c1');
    assert.deepEqual(
      mounts().map((m) => [m.fstype, m.options.includes('noatime')]),
      [['ramfs', true]],
    );
    await store.release('vol', 'c1');
    assert.deepEqual(mounts(), []);
  });

  it('copies nothing from outside of the root, and nothing over what is there', async () => {
    const root = join(dir, 'rootfs');
    const store = await open();
    const { mountpoint: volume } = await store.create({ name: 'vol' });
    const copyUp = async (target: string) => {
      const content = imageContent(root, target);
      if (content !== undefined) await store.fill('vol', (path) => copyContent(helper, content, path));
    };
    for (const d of ['rootfs/data', 'outside']) mkdirSync(join(dir, d), { recursive: true });
    writeFileSync(join(dir, 'outside', 'secret'), 'x');
    symlinkSync('../outside', join(root, 'link'));
    symlinkSync(join(dir, 'outside'), join(root, 'absolute'));
    writeFileSync(join(root, 'data', 'file'), 'x');
    symlinkSync('/data', join(root, 'inside'));
    for (const target of ['/link', '/absolute', '/missing', '/data/file']) {
      await copyUp(target);
      assert.deepEqual(readdirSync(volume), [], target);
    }
    await copyUp('/inside');
    assert.deepEqual(readdirSync(volume), ['file']);
    writeFileSync(join(root, 'data', 'second'), 'x');
    await copyUp('/data');
    assert.deepEqual(readdirSync(volume), ['file']);
  });
});
