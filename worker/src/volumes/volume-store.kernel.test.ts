/** Volumes on disk. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { copyContent, imageContent } from './copy-up.js';
import { mountSpec, VolumeStore } from './volume-store.js';

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
    await store.create({ name: 'vol', options: { type: 'tmpfs', device: 'tmpfs' } });
    await assert.rejects(store.create({ name: 'vol', options: { type: 'tmpfs', device: 'other' } }), (e) =>
      isSwarmtsError(e, 'conflict'),
    );
  });

  it('turns options into one mount', () => {
    assert.deepEqual(mountSpec({ type: 'nfs', device: ':/x', o: 'addr=192.0.2.1,ro,nolock' }, '/t'), {
      source: ':/x',
      target: '/t',
      fstype: 'nfs',
      flags: ['ro'],
      data: 'addr=192.0.2.1,nolock',
    });
    assert.deepEqual(mountSpec({ type: 'none', device: '/x', o: 'bind' }, '/t').flags, ['bind']);
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
