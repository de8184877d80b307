/** Containers in user namespaces, as with `swarmtsd --userns-remap`. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import type { BuildOptions } from '../build/build-api.js';
import type { ImageConfig } from '../images/image-api.js';
import { lgetxattr } from '../snapshots/posix-calls.js';
import type { IdMaps } from '../userns/id-map.js';
import type { ContainerConfig } from './container-config.js';
import {
  busyboxLayer,
  containerConfig,
  EngineBed,
  eventually,
  outputOf,
  runToEnd,
  TestRegistry,
  tarOf,
} from './engine-bed.js';

const FIRST = 524_288;
/** Two ranges, as /etc/subuid may have them. */
const RANGES = [
  { containerId: 0, hostId: FIRST, size: 2000 },
  { containerId: 2000, hostId: FIRST + 100_000, size: 63_536 },
];
const IDS: IdMaps = { uids: RANGES, gids: RANGES };
/** cap_net_raw+ep as images have it (revision 2). */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const BUILD: Omit<BuildOptions, 'context'> = {
  dockerfile: 'Dockerfile',
  tags: [],
  buildArgs: new Map(),
  labels: {},
  target: '',
  noCache: false,
  cacheFrom: [],
  pull: false,
  remove: true,
  forceRemove: true,
  networkMode: 'none',
  extraHosts: [],
  resources: { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 },
  shmSizeBytes: 0,
  confinement: {},
  authOf: () => undefined,
  report: () => Promise.resolve(),
};

async function* one(data: Buffer) {
  yield data;
}

async function collectBytes(archive: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** As tar(1) lists it, with numbers for owners. */
async function listed(archive: AsyncIterable<Uint8Array>): Promise<string> {
  const input = await collectBytes(archive);
  return execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input, encoding: 'utf8' });
}

describe('containers in user namespaces', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start({ idMaps: IDS });
    const layer = await busyboxLayer([
      { name: 'srv/', type: 'directory', uid: 1000, gid: 50, mode: 0o750 },
      { name: 'srv/late', content: 'x', uid: 2500, gid: 1000, mode: 0o4755 },
      { name: 'made/on/the/way', content: 'x' },
      { name: 'bin/capable', content: 'x', pax: { 'SCHILY.xattr.security.capability': CAPABILITY.toString('latin1') } },
    ]);
    ({ ref: image } = await registry.push('busybox', [{ tar: layer }], {
      Env: ['PATH=/bin'],
      Volumes: { '/srv': {} },
    }));
    await bed.engine.images.pull(image, {});
  });

  after(async () => {
    await bed.close();
    await registry.close();
  });

  const run = (cmd: string, more: Partial<ContainerConfig> = {}) =>
    runToEnd(bed.engine, containerConfig(image, ['sh', '-c', cmd], { networkMode: 'local', ...more }));
  const start = async (cmd: string, more: Partial<ContainerConfig> = {}) => {
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', cmd], { networkMode: 'local', ...more }));
    await bed.engine.start(id);
    return id;
  };
  const refused = (more: Partial<ContainerConfig>, message: string | RegExp): Promise<void> =>
    assert.rejects(
      bed.engine.create(containerConfig(image, ['true'], more)),
      (e) => isSwarmtsError(e) && (typeof message === 'string' ? e.message === message : message.test(e.message)),
    );

  for (const runtime of ['runc', 'crun']) {
    it(`has ids of its own, and files that belong to them (${runtime})`, async () => {
      const files = [{ path: '/run/secrets/db', content: Buffer.from('s3cret'), uid: 1000, gid: 50, mode: 0o400 }];
      const { output, code } = await run(
        [
          'cat /proc/self/uid_map /proc/self/gid_map',
          'stat -c "%u:%g %n" / /bin/busybox /made /made/on /srv /srv/late /work /work/deep /etc/hosts /etc/resolv.conf /run/secrets/db /.dockerenv /dev/shm',
          'echo out > /dev/stdout; touch /own; stat -c "%u:%g %n" /own; cat /proc/sys/net/ipv4/ping_group_range',
          'ls /sys/class/net; echo yes > /etc/hosts && cat /etc/hosts; ip link set lo mtu 1400 && echo networks',
          'echo x 2>/dev/null > /proc/sys/kernel/hostname || echo confined',
        ].join('; '),
        { runtime, workingDir: '/work/deep', files, ipcMode: 'shareable', capAdd: ['NET_ADMIN'] },
      );
      assert.equal(code, 0, output);
      assert.deepEqual(
        output
          .replace(/ +/g, ' ')
          .trim()
          .split('\n')
          .map((l) => l.trim()),
        [
          ...['uid', 'gid'].flatMap(() => [`0 ${FIRST} 2000`, `2000 ${FIRST + 100_000} 63536`]),
          ...['0:0 /', '0:0 /bin/busybox', '0:0 /made', '0:0 /made/on', '1000:50 /srv', '2500:1000 /srv/late'],
          ...['0:0 /work', '0:0 /work/deep', '0:0 /etc/hosts', '0:0 /etc/resolv.conf', '1000:50 /run/secrets/db'],
          ...['0:0 /.dockerenv', '0:0 /dev/shm', 'out', '0:0 /own', '0\t65535', 'lo', 'yes', 'networks', 'confined'],
        ],
      );
    });

    it(`runs execs, users and health checks in it (${runtime})`, async () => {
      const id = await start('sleep 1000', { runtime, user: 'alice' });
      const exec = async (argv: string[], user?: string) => {
        const r = await bed.engine.exec(id, argv, user === undefined ? {} : { user });
        return `${r.code} ${Buffer.from(r.stdout).toString().trim()}${Buffer.from(r.stderr).toString()}`;
      };
      assert.equal(await exec(['id', '-u']), '0 1000');
      assert.equal(
        await exec(['sh', '-c', 'cat /srv/late; cat /proc/self/uid_map | head -n 1'], 'root'),
        `0 x         0     ${FIRST}       2000`,
      );
      const pid = bed.engine.find(id)?.pid ?? 0;
      assert.equal(statSync(`/proc/${pid}`).uid, FIRST + 1000, 'the process on the machine');
      assert.deepEqual(readdirSync(join(bed.execRoot, 'userns')), [], 'the file of the namespace is gone');
      await bed.engine.remove(id, { force: true, volumes: true });
    });
  }

  it('fills volumes, gives files out and takes them in with the ids of the inside', async () => {
    const mounts = [
      { type: 'volume', source: 'userns-data', target: '/srv', readOnly: false },
      { type: 'volume', source: 'userns-data', target: '/read-only', readOnly: true },
    ] as const;
    const id = await start('touch /srv/new /own; rm /etc/group; chown 1000:50 /own; echo done; sleep 1000', { mounts });
    await eventually(async () => (await outputOf(bed.engine, id)) === 'done\n', 'the container has made its files');
    const { mountpoint = '' } = (await bed.engine.volumes.find('userns-data')) ?? {};
    const onDisk = (name: string) => {
      const { uid, gid } = statSync(join(mountpoint, name));
      return [uid, gid];
    };
    assert.deepEqual(onDisk('.'), [FIRST + 1000, FIRST + 50]);
    assert.deepEqual(onDisk('new'), [FIRST, FIRST]);
    assert.deepEqual(onDisk('late'), [FIRST + 100_500, FIRST + 1000], 'an id of the second range');
    const files = [{ name: 'given', content: 'x', uid: 2500, gid: 7 }];
    await bed.engine.writeArchive(id, '/srv', one(await tarOf(files)), { keepKinds: true, ownIds: false });
    assert.deepEqual(onDisk('given'), [FIRST + 100_500, FIRST + 7]);
    assert.match(await listed(bed.engine.readArchive(id, '/srv')), /2500\/7 .* srv\/given\n/);
    const exported = await listed(bed.engine.export(id));
    assert.match(exported, /1000\/50 .* own\n/);
    assert.match(exported, /0\/0 .* bin\/busybox\n/);
    const changes = (await bed.engine.changes(id)).map((c) => `${c.kind} ${c.path}`);
    assert.deepEqual(changes, ['modified /etc', 'deleted /etc/group', 'added /own']);
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('makes images that are the same as without user namespaces', async () => {
    const { id } = await run('touch /own; chown 1000:50 /own; mkdir /dir');
    const commit = { name: 'committed', author: '', comment: '', pause: true, config: (c: ImageConfig) => c };
    await bed.engine.commit(id, commit);
    const look = 'stat -c "%u:%g %n" /own /dir';
    const { output } = await runToEnd(bed.engine, containerConfig('committed', ['sh', '-c', look]));
    assert.equal(output, '1000:50 /own\n0:0 /dir\n');

    const dockerfile = [
      'FROM committed',
      'COPY --chown=alice file /copied',
      'COPY file /plain',
      'ADD archive.tar /added',
      'WORKDIR /deep/er',
      'RUN touch /ran && chown 7:8 /ran && stat -c "%u:%g %n" /copied /plain /added/inner /deep /deep/er > /seen',
      'FROM scratch',
      'ENV PATH=/bin',
      'COPY --from=0 / /',
    ].join('\n');
    const archive = await tarOf([{ name: 'inner', content: 'x', uid: 2500, gid: 9 }]);
    const context = await tarOf([
      { name: 'Dockerfile', content: dockerfile },
      { name: 'file', content: 'x', uid: 12, gid: 13 },
      { name: 'archive.tar', content: archive },
    ]);
    await bed.engine.build({ ...BUILD, context: one(context), tags: ['built'] });
    const built = await runToEnd(bed.engine, containerConfig('built', ['/bin/sh', '-c', `cat /seen; ${look} /ran`]));
    const seen = ['1000:1000 /copied', '0:0 /plain', '2500:9 /added/inner', '0:0 /deep', '0:0 /deep/er'];
    assert.deepEqual(built.output.trim().split('\n'), [...seen, '1000:50 /own', '0:0 /dir', '7:8 /ran']);
  });

  it('keeps capabilities of files, for the root of the namespace alone', async () => {
    const { id } = await run('true');
    const listing = await collectBytes(bed.engine.export(id));
    assert.ok(listing.includes(CAPABILITY), 'archives have it as it was in the image');
    const links = join(bed.dataRoot, 'overlay', 'l');
    const files = readdirSync(links).map((l) => join(links, l, 'bin/capable'));
    const values = files.flatMap((f) => (existsSync(f) ? [lgetxattr(Buffer.from(f), 'security.capability')] : []));
    const roots = values.map((v) => Buffer.from(v ?? '', 'latin1').readUInt32LE(20));
    assert.deepEqual(new Set(roots), new Set([FIRST]));
  });

  it('shares namespaces with others in the same user namespace, and not with those of the host', async () => {
    const first = await start('sleep 1000', { ipcMode: 'shareable' });
    const { output } = await run('ip link; id -u; ls -ld /sys/class/net > /dev/null && echo mounted', {
      networkContainer: first,
      ipcMode: `container:${first}`,
      pidMode: `container:${first}`,
    });
    assert.match(output, /lo:(.|\n)*\n0\nmounted\n$/);
    const own = await run('ls /sys/class/net', { pidMode: `container:${first}` });
    assert.equal(own.output, 'lo\n', 'a network of its own in the user namespace of another one');
    const alien = await start('sleep 1000', { usernsMode: 'host', ipcMode: 'shareable' });
    const shares = containerConfig(image, ['true'], { networkMode: 'local', networkContainer: alien });
    const id = await bed.engine.create(shares);
    await assert.rejects(bed.engine.start(id), /cannot share namespaces of .*: they are in different user namespaces/);
    for (const c of [first, alien]) await bed.engine.remove(c, { force: true, volumes: true });
  });

  it('leaves those alone that ask for the ids of the host', async () => {
    const files = [{ path: '/run/x', content: Buffer.from('x'), uid: 0, gid: 0, mode: 0o400 }];
    const look = 'cat /proc/self/uid_map; stat -c "%u %n" /bin/busybox /etc/hosts /run/x; mount -t tmpfs x /tmp';
    const { output } = await run(look, { usernsMode: 'host', privileged: true, files });
    const lines = output.split('\n').map((l) => l.trim().replace(/ +/g, ' '));
    assert.deepEqual(lines, ['0 0 4294967295', `${FIRST} /bin/busybox`, '0 /etc/hosts', '0 /run/x', '']);
  });

  it('runs on after a restart of the engine, and leaves no namespace when it cannot start', async () => {
    const id = await start('sleep 1000');
    await bed.engine.close();
    await bed.open();
    assert.equal(bed.engine.find(id)?.state, 'running');
    await bed.engine.stop(id, 0);
    await bed.engine.start(id);
    const wrong = await bed.engine.create(containerConfig(image, ['/nosuch'], { networkMode: 'local' }));
    await assert.rejects(bed.engine.start(wrong), /executable file not found|no such file or directory/);
    assert.deepEqual(readdirSync(join(bed.execRoot, 'userns')), []);
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('has nothing of a start that was cut short with its daemon', async () => {
    await bed.engine.close();
    const [userns, netns] = ['userns', 'netns'].map((kind) => join(bed.execRoot, kind, 'f'.repeat(64)));
    await bed.helper.createUserNetns({ userns: userns ?? '', netns: netns ?? '', ids: IDS });
    await bed.open();
    assert.deepEqual(
      [userns, netns].map((f) => existsSync(f ?? '')),
      [false, false],
    );
  });

  it('takes no image with ids that the user namespace does not have', async () => {
    const layer = await busyboxLayer([{ name: 'far', content: 'x', uid: 70_000 }]);
    const { ref } = await registry.push('far', [{ tar: layer }]);
    await assert.rejects(
      bed.engine.images.pull(ref, {}),
      /failed to register layer: Container ID 70000 cannot be mapped/,
    );
    assert.equal(await bed.engine.images.find(ref), undefined);
  });

  it('does not open where its root cannot get to', async () => {
    chmodSync(bed.dir, 0o700);
    try {
      await assert.rejects(
        bed.open(),
        (e) => isSwarmtsError(e, 'failed-precondition') && e.message.endsWith(`allow it with: chmod o+x ${bed.dir}`),
      );
    } finally {
      chmodSync(bed.dir, 0o711);
    }
  });

  it("refuses in Docker's words what a user namespace cannot have", async () => {
    await refused({ privileged: true }, /^privileged mode is incompatible with user namespaces\. {2}You must run/);
    await refused(
      { networkMode: 'host' },
      "cannot share the host's network namespace when user namespaces are enabled",
    );
    await refused({ pidMode: 'host' }, 'cannot share the host PID namespace when user namespaces are enabled');
    await refused({ usernsMode: 'private' }, 'invalid user namespace mode: private');
  });
});
