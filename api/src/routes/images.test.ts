import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';
import { memoryImage } from '../testing/memory-images.js';
import { NOW_MS } from '../testing/memory-swarm.js';

const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const id = (c: string) => `sha256:${c.repeat(64)}`;

describe('image routes', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const listed = async (query = '', version = '') =>
    (await api.send('GET', `${version}/images/json${query}`)).json as {
      Id: string;
      RepoTags: string[];
      RepoDigests: string[];
      VirtualSize?: number;
    }[];

  function fill(): void {
    api.backend.images.imageList.splice(
      0,
      1,
      memoryImage('registry:5000/team/app:1', {
        id: id('1'),
        repoDigests: [],
        createdAtMs: NOW_MS - 3000,
        labels: { tier: 'web' },
      }),
      memoryImage('busybox:latest', { id: id('2'), createdAtMs: NOW_MS - 2000 }),
      memoryImage('', { id: id('3'), repoTags: [], repoDigests: [], createdAtMs: NOW_MS - 1000 }),
      memoryImage('', { id: id('4'), repoTags: [], repoDigests: [], createdAtMs: NOW_MS, hasChildren: true }),
    );
  }

  it('list by filter, without the images that others were made from', async () => {
    fill();
    const ids = async (query = '') => (await listed(query)).map((i) => i.Id.slice(7, 8)).join('');
    assert.equal(await ids(), '321');
    assert.equal(await ids('?all=1'), '4321');
    assert.equal(await ids(`?${filters({ dangling: ['true'] })}`), '3');
    assert.equal(await ids(`?${filters({ dangling: ['false'] })}`), '21');
    assert.equal(await ids(`?${filters({ label: ['tier=web'] })}`), '1');
    assert.equal(await ids(`?${filters({ before: ['busybox:latest'] })}`), '1');
    assert.equal(await ids(`?${filters({ since: ['busybox:latest'] })}`), '3');
    assert.equal(await ids(`?${filters({ until: ['181500ms'] })}`), '21');
    for (const [pattern, found] of [
      ['busybox', '2'],
      ['busy*', '2'],
      ['busybox:lat?st', '2'],
      ['app', ''],
      ['registry:5000/team/app', '1'],
      ['registry:5000/*/app:1', '1'],
      ['*', '2'],
      ['*/*/*', '1'],
    ]) {
      assert.equal(await ids(`?${filters({ reference: [pattern] })}`), found, pattern);
    }
    assert.equal((await api.send('GET', `/images/json?${filters({ before: ['nosuch'] })}`)).status, 404);
    assert.equal((await api.send('GET', `/images/json?${filters({ color: ['x'] })}`)).status, 400);
  });

  it('show what has no name as each version of the API does', async () => {
    fill();
    const nameless = async (version: string) => (await listed('', version)).find((i) => i.Id === id('3'));
    assert.deepEqual((await nameless('/v1.42'))?.RepoTags, ['<none>:<none>']);
    assert.deepEqual((await nameless('/v1.43'))?.RepoTags, []);
    assert.ok((await nameless('/v1.43'))?.VirtualSize !== undefined);
    const [first] = (await api.send('GET', '/images/json?shared-size=1')).json as { SharedSize: number }[];
    assert.equal(first?.SharedSize, 7);
  });

  it('prune what fits the filters, and say how much that was', async () => {
    fill();
    const prune = async (f: unknown) => (await api.send('POST', `/images/prune?${filters(f)}`)).json;
    assert.deepEqual(await prune({ label: ['tier=web'] }), { ImagesDeleted: null, SpaceReclaimed: 0 });
    assert.deepEqual(await prune({ dangling: ['false'], label: ['tier=web'] }), {
      ImagesDeleted: [{ Deleted: id('1') }],
      SpaceReclaimed: 10,
    });
    assert.deepEqual(await prune({ dangling: ['false'], 'label!': ['tier'], until: ['181500ms'] }), {
      ImagesDeleted: [{ Deleted: id('2') }],
      SpaceReclaimed: 10,
    });
    assert.equal((await api.send('POST', `/images/prune?${filters({ until: ['soon'] })}`)).status, 400);
  });

  it('remove with the options that were asked for', async () => {
    const a = await api.send('DELETE', '/images/alpine:3?force=1&noprune=1');
    assert.deepEqual(a.json, [{ Untagged: 'alpine:3' }, { Deleted: id('a') }]);
    assert.deepEqual(api.backend.images.asked, [{ remove: 'alpine:3', force: true, prune: false }]);
    assert.equal((await api.send('DELETE', '/images/nosuch')).status, 404);
  });

  it('tell the history, with what is known of the steps', async () => {
    const [top, base] = (await api.send('GET', '/images/alpine:3/history')).json as Record<string, unknown>[];
    assert.deepEqual([top?.Tags, base?.Tags, base?.Id], [['alpine:3'], null, '<missing>']);
  });

  it('push one tag or all', async () => {
    const one = await api.send('POST', '/images/alpine/push?tag=3');
    assert.match(String(one.body), /"status":"Pushed"/);
    const none = await api.send('POST', '/images/alpine/push');
    assert.match(String(none.body), /"errorDetail":\{"message":"No such image: alpine:latest"\}/);
    assert.deepEqual(api.backend.images.asked, [
      { push: 'alpine:3', all: false },
      { push: 'alpine', all: true },
    ]);
  });

  it('pull the tag, the digest, or all tags', async () => {
    for (const query of [
      'fromImage=alpine&tag=3',
      'fromImage=alpine:3',
      `fromImage=alpine&tag=sha256:${'a'.repeat(64)}`,
      'fromImage=r:5/alpine',
    ]) {
      await api.send('POST', `/images/create?${query}&platform=linux/arm64`);
    }
    const platform = 'linux/arm64';
    assert.deepEqual(api.backend.images.asked, [
      { pull: 'alpine:3', platform, all: false },
      { pull: 'alpine:3', platform, all: false },
      { pull: `alpine@sha256:${'a'.repeat(64)}`, platform, all: false },
      { pull: 'r:5/alpine', platform, all: true },
    ]);
  });

  it('import from the body and from an address', async () => {
    const query = 'repo=mine&tag=1&changes=CMD%20sh&changes=ENV%20a=b&platform=linux/arm64';
    const a = await api.send('POST', `/images/create?fromSrc=-&message=hello&${query}`, { raw: 'tar' });
    assert.match(String(a.body), /"status":"sha256:1{64}"/);
    await api.send('POST', '/images/create?fromSrc=http://x.test/root.tar');
    const common = { changes: ['CMD sh', 'ENV a=b'], platform: 'linux/arm64' };
    assert.deepEqual(api.backend.images.asked, [
      { import: 3, name: 'mine:1', message: 'hello', ...common },
      {
        import: 'http://x.test/root.tar',
        name: '',
        message: 'Imported from http://x.test/root.tar',
        changes: [],
        platform: '',
      },
    ]);
    assert.equal((await api.send('POST', '/images/create')).status, 400);
  });

  it('save several images, and refuse names that are not there before the first byte', async () => {
    const two = await api.send('GET', '/images/get?names=alpine:3&names=alpine:3');
    assert.deepEqual([two.headers['content-type'], String(two.body)], ['application/x-tar', 'alpine:3,alpine:3']);
    assert.equal(String((await api.send('GET', '/images/alpine:3/get')).body), 'alpine:3');
    assert.equal((await api.send('GET', '/images/get?names=nosuch')).status, 404);
    assert.equal((await api.send('GET', '/images/get')).status, 400);
  });

  it('commit a container', async () => {
    const query = 'container=web&repo=mine&tag=2&comment=c&author=a&pause=0&changes=CMD%20a%0AENV%20b=c';
    const a = await api.send('POST', `/commit?${query}`, { body: { User: 'u' } });
    assert.deepEqual([a.status, a.json], [201, { Id: id('2') }]);
    assert.deepEqual(api.backend.images.asked, [
      {
        commit: {
          container: 'web',
          name: 'mine:2',
          author: 'a',
          comment: 'c',
          pause: false,
          changes: ['CMD a', 'ENV b=c'],
          config: { User: 'u' },
        },
      },
    ]);
    assert.equal((await api.send('POST', '/commit?container=web', { raw: 'null' })).status, 201);
    assert.equal((await api.send('POST', '/commit')).status, 400);
  });

  it('try credentials', async () => {
    const auth = (password: string) =>
      api.send('POST', '/auth', { body: { username: 'u', password, serveraddress: 'r:5000' } });
    const good = await auth('p');
    assert.deepEqual([good.status, good.json], [200, { Status: 'Login Succeeded', IdentityToken: '' }]);
    const bad = await auth('wrong');
    assert.deepEqual([bad.status, bad.json], [401, { message: 'unauthorized: incorrect username or password' }]);
  });

  it('say that no registry can be searched', async () => {
    const a = await api.send('GET', '/images/search?term=x');
    assert.equal(a.status, 501);
    assert.match(String(a.body), /not supported by this registry/);
  });
});
