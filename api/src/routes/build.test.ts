import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';

const jsonParam = (name: string, value: unknown) => `${name}=${encodeURIComponent(JSON.stringify(value))}`;

describe('the build route', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  it('reads what the client asks for', async () => {
    const query = [
      't=a:1&t=b&dockerfile=x/Dockerfile&target=last&nocache=1&cpusetcpus=0&cgroupparent=/builds&securityopt=no-new-privileges&securityopt=seccomp%3Dunconfined&cachefrom=%5B%22c:1%22%5D&pull=1&forcerm=1&q=1&networkmode=host&platform=linux/arm64',
      'memory=1048576&memswap=-1&cpushares=5&cpuquota=50000&cpuperiod=100000&shmsize=65536&extrahosts=a:1.2.3.4&extrahosts=b:::1',
      jsonParam('buildargs', { A: '1', B: null }),
      jsonParam('labels', { l: 'm' }),
      jsonParam('ulimits', [{ Name: 'nofile', Soft: 1, Hard: 2 }]),
    ].join('&');
    const auths = { 'reg:5000': { username: 'u', password: 'p' } };
    const header = Buffer.from(JSON.stringify(auths)).toString('base64url');
    const a = await api.send('POST', `/build?${query}`, { raw: 'tar', headers: { 'X-Registry-Config': header } });
    assert.equal(a.status, 200);
    assert.match(String(a.body), /"stream":"Step 1\/1 : FROM x\\n"/);
    assert.deepEqual(api.backend.images.asked, [
      {
        bytes: 3,
        build: {
          dockerfile: 'x/Dockerfile',
          tags: ['a:1', 'b'],
          buildArgs: { A: '1', B: undefined },
          labels: { l: 'm' },
          target: 'last',
          noCache: true,
          cacheFrom: ['c:1'],
          pull: true,
          remove: true,
          forceRemove: true,
          quiet: true,
          networkMode: 'host',
          platform: 'linux/arm64',
          extraHosts: ['a:1.2.3.4', 'b:::1'],
          memoryBytes: 1048576,
          memorySwapBytes: -1,
          cpuShares: 5,
          nanoCpus: 5e8,
          cpusetCpus: '0',
          cpusetMems: '',
          cgroupParent: '/builds',
          security: { noNewPrivileges: true, seccompUnconfined: true },
          shmSizeBytes: 65536,
          ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
          auths,
        },
      },
    ]);
  });

  it('ends the stream with the code of the command that failed', async () => {
    const a = await api.send('POST', '/build?target=broken', { raw: '' });
    const last = String(a.body).trim().split('\r\n').at(-1) ?? '';
    assert.deepEqual(JSON.parse(last), {
      errorDetail: { code: 7, message: 'returned a non-zero code: 7' },
      error: 'returned a non-zero code: 7',
    });
  });

  it('cancels by id', async () => {
    const stream = await api.open('POST', '/build?target=endless&buildid=b1', { raw: '' });
    const first = (await stream[Symbol.asyncIterator]().next()).value as Buffer;
    assert.match(String(first), /Step 1/);
    assert.equal((await api.send('POST', '/build?buildid=b1', { raw: '' })).status, 409);
    assert.equal((await api.send('POST', '/build/cancel?id=b1')).status, 204);
    for (let i = 0; i < 100 && (await api.send('POST', '/build/cancel?id=b1')).status !== 404; i++);
    assert.equal((await api.send('POST', '/build/cancel?id=b1')).status, 404);
    assert.equal((await api.send('POST', '/build/cancel')).status, 400);
    stream.destroy();
  });

  it('refuses what it cannot do, before anything is built', async () => {
    for (const [query, status, message] of [
      ['version=2', 501, /BuildKit is not supported/],
      ['squash=1', 400, /squash is only supported with experimental mode/],
      ['isolation=hyperv', 400, /unsupported isolation: .{1,2}hyperv/],
      ['remote=https://x.test/y.git', 501, /build context at an address/],
      ['buildargs={', 400, /error reading buildargs/],
      ['buildargs=[]', 400, /an object is expected/],
      ['cachefrom=[', 400, /error reading cachefrom/],
      ['securityopt=["odd"]', 400, /invalid --security-opt/],
      ['labels=[1]', 400, /labels must be an object/],
      ['memory=much', 400, /invalid memory .{1,2}much/],
      ['ulimits=[3]', 400, /ulimits\[0\] must be an object/],
    ] as const) {
      const a = await api.send('POST', `/build?${query}`, { raw: '' });
      assert.deepEqual([a.status, message.test(String(a.body))], [status, true], `${query}: ${a.body}`);
    }
    assert.deepEqual(api.backend.images.asked, []);
  });

  it('keeps no cache beside its images', async () => {
    const a = await api.send('POST', '/build/prune?all=1');
    assert.deepEqual([a.status, JSON.parse(String(a.body))], [200, { CachesDeleted: [], SpaceReclaimed: 0 }]);
    assert.equal((await api.send('POST', '/build/prune?filters={"until":["1h"],"label!":["x"]}')).status, 200);
    const other = await api.send('POST', '/build/prune?filters={"nope":["x"]}');
    assert.match(`${other.status} ${other.body}`, /^400 .*invalid filter 'nope'/);
  });
});
