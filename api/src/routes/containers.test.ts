/** What is refused of containers before the engine hears of it. */
import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';

describe('container routes', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  it('refuse to share namespaces with a container that is not there, in no words that make clients pull the image', async () => {
    for (const kind of ['PidMode', 'IpcMode']) {
      const body = { Image: 'x', HostConfig: { [kind]: 'container:none' } };
      const a = await api.send('POST', '/containers/create', { body });
      assert.match(`${a.status} ${a.body}`, /^400 .*No such container: none/);
    }
  });

  it('list by more than names that are alike, whatever says whether a container is a task’s', async () => {
    const count = async (filters: object) => {
      const a = await api.send('GET', `/containers/json?all=1&filters=${JSON.stringify(filters)}`);
      return a.status === 200 ? (a.json as unknown[]).length : `${a.status} ${a.body}`;
    };
    assert.equal(await count({ name: ['^web.1.task$'] }), 1);
    assert.equal(await count({ name: ['^/web'] }), 1);
    assert.equal(await count({ name: ['^eb'] }), 0);
    assert.equal(await count({ isolation: ['default'] }), await count({}));
    assert.match(String(await count({ 'is-task': ['nope'] })), /^400 .*is-task=\[nope\]/);
  });
});
