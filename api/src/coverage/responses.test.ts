import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';
import { NODE_ID } from '../testing/memory-swarm.js';
import { ENGINE_ENDPOINTS } from './engine-endpoints.js';

describe('answers and the description of the Docker Engine API', () => {
  let api: Harness;
  before(async () => {
    api = await Harness.start();
  });
  after(() => api.stop());

  /** Answered with something else than one JSON value, or only after another request. */
  const OTHERS = [
    ...['/events', '/_ping', '/images/get', '/images/{name}/get', '/exec/{id}/json', '/containers/{id}/attach/ws'],
    ...['/containers/{id}/logs', '/services/{id}/logs', '/tasks/{id}/logs', '/containers/{id}/export'],
    ...['/containers/{id}/stats', '/containers/{id}/archive', '/images/search', '/swarm/unlockkey'],
    ...[
      '/images/{name}/attestations',
      '/plugins/{name}/json',
      '/plugins/privileges',
      '/volumes/{name}',
      '/networks/{id}',
    ],
  ];

  it('agree for everything that can be listed or inspected', async () => {
    const id = async (path: string, body: object) =>
      ((await api.send('POST', path, { body })).json as { readonly ID: string }).ID;
    const spec = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'alpine:3' } } };
    const names: Readonly<Record<string, string>> = {
      containers: 'web.1.task',
      images: 'alpine:3',
      distribution: 'alpine:3',
      nodes: NODE_ID,
      services: await id('/services/create', spec),
      secrets: await id('/secrets/create', { Name: 's', Data: 'eA==' }),
      configs: await id('/configs/create', { Name: 'c', Data: 'eA==' }),
    };
    const [task] = (await api.send('GET', '/tasks')).json as { readonly ID: string }[];
    let count = 0;
    for (const endpoint of ENGINE_ENDPOINTS) {
      const [method, path = ''] = endpoint.split(' ');
      if (method !== 'GET' || OTHERS.includes(path)) continue;
      const noun = path.split('/')[1] ?? '';
      const name = noun === 'tasks' ? task?.ID : names[noun];
      const answer = await api.send('GET', path.replace(/\{\w+\}/, name ?? 'nothing is called so'));
      assert.equal(answer.status, 200, `${endpoint}: ${answer.body}`);
      count++;
    }
    assert.ok(count > 20);
  });

  it('agree for errors', async () => {
    for (const [method, path] of [
      ['GET', '/containers/none/json'],
      ['GET', '/images/none/json'],
      ['GET', '/services/none'],
      ['POST', '/containers/create'],
      ['DELETE', '/images/none'],
      ['GET', '/nodes/none'],
      ['GET', '/secrets/none'],
    ] as const) {
      const answer = await api.send(method, path, method === 'POST' ? { raw: '[]' } : {});
      assert.ok(answer.status >= 400);
      assert.equal(typeof (answer.json as { readonly message: unknown }).message, 'string');
    }
  });
});
