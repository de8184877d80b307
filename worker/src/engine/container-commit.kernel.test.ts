/** Images from containers. Needs root, an OCI runtime and conmon. */
import assert from 'node:assert/strict';
import type { ImageConfig } from '../images/image-api.js';
import type { EngineEvent } from './engine-api.js';
import { busyboxLayer, containerConfig, EngineBed, runToEnd, TestRegistry } from './engine-bed.js';

describe('a commit', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  before(async () => {
    [bed, registry] = [await EngineBed.start(), await TestRegistry.start()];
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Cmd: ['sh'], Env: ['BASE=1'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  const options = { name: '', author: '', comment: '', pause: true, config: (c: ImageConfig) => c };
  const sh = (line: string) => containerConfig(image, ['sh', '-c', line]);

  it('holds what the container has changed and nothing that the engine made', async () => {
    const { id } = await runToEnd(bed.engine, {
      ...sh('echo new >/new; rm /etc/group; mkdir /data; chmod 700 /tmp'),
      mounts: [{ type: 'tmpfs', source: '', target: '/scratch', readOnly: false }],
    });
    const events: EngineEvent[] = [];
    const unsubscribe = bed.engine.onEvent((e) => events.push(e));
    const made = await bed.engine.commit(id, { ...options, name: 'made:1', author: 'me', comment: 'why' });
    unsubscribe();
    const told = events.find((e) => e.action === 'commit');
    const { comment, imageID, imageRef } = told?.attributes ?? {};
    assert.deepEqual([told?.type, told?.id, comment, imageID, imageRef], ['container', id, 'why', made, 'made:1']);
    const info = await bed.engine.images.find('made:1');
    assert.deepEqual([info?.id, info?.author, info?.comment, info?.layers.length], [made, 'me', 'why', 2]);
    assert.ok(info?.config.Env?.includes('BASE=1') && !info.config.Env.some((e) => e.startsWith('HOSTNAME=')));
    const [top] = await bed.engine.images.history('made:1');
    assert.equal(top?.createdBy, 'sh -c echo new >/new; rm /etc/group; mkdir /data; chmod 700 /tmp');
    assert.equal(top?.comment, 'why');
    const inside = await runToEnd(bed.engine, containerConfig('made:1', ['sh', '-c', 'cat /new; ls / /etc']));
    assert.match(inside.output, /^new\n/);
    assert.doesNotMatch(inside.output, /group|scratch/);
    assert.match(inside.output, /data/);
  });

  it('of a running container sees what it has written, and lets it go on', async () => {
    const id = await bed.engine.create(sh('echo one >/state; sleep 1000'));
    await bed.engine.start(id);
    for (let i = 0; i < 100 && (await bed.engine.exec(id, ['test', '-s', '/state'], {})).code !== 0; i++);
    await bed.engine.commit(id, { ...options, name: 'running' });
    assert.equal(bed.engine.find(id)?.state, 'running');
    assert.equal((await runToEnd(bed.engine, containerConfig('running', ['cat', '/state']))).output, 'one\n');
    await bed.engine.remove(id, { force: true, volumes: true });
  });

  it('of a container that never ran is its image with another configuration', async () => {
    const id = await bed.engine.create(sh('true'));
    await bed.engine.commit(id, { ...options, name: 'never', config: (c) => ({ ...c, User: '7' }) });
    const info = await bed.engine.images.find('never');
    assert.deepEqual([info?.config.User, info?.layers.length], ['7', 1]);
  });

  it('keeps the ports, volumes and health check that the container was given', async () => {
    const health = {
      test: ['CMD', 'true'],
      intervalNs: 5e9,
      timeoutNs: 0,
      startPeriodNs: 0,
      startIntervalNs: 0,
      retries: 2,
    };
    const id = await bed.engine.create({
      ...sh('true'),
      health,
      exposedPorts: [{ protocol: 'udp', targetPort: 53 }],
      mounts: [
        { type: 'volume', source: '', target: '/data', readOnly: false },
        { type: 'volume', source: 'named', target: '/named', readOnly: false },
      ],
    });
    await bed.engine.commit(id, { ...options, name: 'given' });
    const config = (await bed.engine.images.find('given'))?.config;
    assert.deepEqual(config?.Healthcheck, { Test: ['CMD', 'true'], Interval: 5e9, Retries: 2 });
    assert.deepEqual([config?.ExposedPorts, config?.Volumes], [{ '53/udp': {} }, { '/data': {} }]);
  });

  it('refuses names that no tag can have, and containers that are not there', async () => {
    const id = await bed.engine.create(sh('true'));
    await assert.rejects(bed.engine.commit(id, { ...options, name: 'Bad Name' }), /invalid reference format/);
    await assert.rejects(bed.engine.commit('nosuch', options), /No such container: nosuch/);
  });
});
