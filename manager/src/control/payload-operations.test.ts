import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { ContainerSpec, SecretSpec, Service, ServiceSpec, TaskSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import {
  addVersion,
  createConfig,
  createSecret,
  followed,
  followers,
  nameOfVersion,
  removePayload,
} from './payload-operations.js';

const data = (text: string) => new Uint8Array(Buffer.from(text));
const named = (name: string, text: string) =>
  SecretSpec.create({ annotations: { name, labels: { team: 'a' } }, data: data(text) });

function specWith(secretId: string, job = false): ServiceSpec {
  const secrets = [{ secretId, secretName: 'db', file: undefined }];
  const mode = { replicated: undefined, global: undefined, replicatedJob: undefined, globalJob: job ? {} : undefined };
  return ServiceSpec.create({
    annotations: { name: job ? 'job' : 'web', labels: {} },
    task: TaskSpec.create({ container: ContainerSpec.create({ secrets }) }),
    mode: job ? mode : { ...mode, replicated: { replicas: 1 } },
  });
}

describe('versions of secrets and configs', () => {
  const bed = async () => {
    const store = localStore(() => 0);
    const first = await store.update((tx) => createSecret(tx, named('db', 'one')));
    return { store, first };
  };
  const names = (store: Awaited<ReturnType<typeof bed>>['store']) =>
    store.view((tx) => tx.list('secret').map((s) => s.spec?.annotations?.name)).toSorted();

  it('keep the name for the newest, and their ids and labels', async () => {
    const { store, first } = await bed();
    const second = await store.update((tx) => addVersion(tx, 'secret', 'db', data('two')));
    const third = await store.update((tx) => addVersion(tx, 'secret', 'db', data('three')));
    assert.deepEqual([second.version, third.version], [2, 3]);
    assert.deepEqual(names(store), ['db', 'db@1', 'db@2']);
    assert.equal(store.get('secret', first)?.spec?.annotations?.name, 'db@1');
    assert.equal(nameOfVersion(store.get('secret', first)), 'db');
    assert.deepEqual(store.get('secret', third.id)?.spec?.annotations?.labels, { team: 'a' });
  });

  it('are not made of the same payload', async () => {
    const { store, first } = await bed();
    const again = await store.update((tx) => addVersion(tx, 'secret', 'db', data('one')));
    assert.deepEqual(again, { id: first, version: 1 });
    assert.deepEqual(names(store), ['db']);
  });

  it('are made of configs as well', async () => {
    const { store } = await bed();
    await store.update((tx) => createConfig(tx, named('app', 'x')));
    const { version } = await store.update((tx) => addVersion(tx, 'config', 'app', data('y')));
    assert.equal(version, 2);
  });

  it('of configs are followed, and kept while one of them is in use', async () => {
    const { store } = await bed();
    const configId = await store.update((tx) => createConfig(tx, named('app', 'x')));
    const configs = [{ configId, configName: 'app', file: undefined, runtime: false }];
    const plain = specWith('other');
    const container = ContainerSpec.create({ ...plain.task?.container, configs });
    const spec = { ...plain, task: TaskSpec.create({ ...plain.task, container }) };
    await store.update((tx) => tx.create('service', Service.create({ id: 'web', spec })));
    const { id } = await store.update((tx) => addVersion(tx, 'config', 'app', data('y')));
    store.view((tx) => {
      const next = followed(tx, 'config', spec, id).task?.container;
      assert.equal(next?.configs[0]?.configId, id);
      assert.equal(next?.secrets[0]?.secretId, 'other');
    });
    await assert.rejects(
      store.update((tx) => removePayload(tx, 'config', 'app')),
      (e) => isSwarmtsError(e, 'invalid-argument') && /config 'app' is in use by .* web/.test(e.message),
    );
    await store.update((tx) => {
      tx.remove('service', 'web');
      removePayload(tx, 'config', 'app');
    });
    assert.deepEqual(
      store.view((tx) => tx.list('config')),
      [],
    );
  });

  it('are refused for an earlier version, for what is not there, and without data', async () => {
    const { store } = await bed();
    await store.update((tx) => addVersion(tx, 'secret', 'db', data('two')));
    const refused = (ref: string, text: string, why: RegExp) =>
      assert.rejects(
        store.update((tx) => addVersion(tx, 'secret', ref, data(text))),
        why,
      );
    await refused('db@1', 'x', /db@1 is an earlier version: name the secret itself, db/);
    await refused('nope', 'x', /secret nope not found/);
    await refused('db', '', /larger than 0/);
  });

  it('are followed by the services that use another one, but not by jobs that would run again', async () => {
    const { store, first } = await bed();
    await store.update((tx) => {
      tx.create('service', Service.create({ id: 'web', spec: specWith(first) }));
      tx.create('service', Service.create({ id: 'job', spec: specWith(first, true) }));
    });
    const { id } = await store.update((tx) => addVersion(tx, 'secret', 'db', data('two')));
    store.view((tx) => {
      assert.deepEqual(
        followers(tx, 'secret', id).map((s) => s.id),
        ['web'],
      );
      const next = followed(tx, 'secret', specWith(first), id);
      assert.equal(next.task?.container?.secrets[0]?.secretId, id);
      assert.equal(followed(tx, 'secret', next, id), next);
    });
  });

  it('go together, unless one of them is in use', async () => {
    const { store, first } = await bed();
    await store.update((tx) => {
      addVersion(tx, 'secret', 'db', data('two'));
      tx.create('service', Service.create({ id: 'web', spec: specWith(first) }));
    });
    await assert.rejects(
      store.update((tx) => removePayload(tx, 'secret', 'db')),
      (e) => isSwarmtsError(e, 'invalid-argument') && /in use by the following service: web/.test(e.message),
    );
    await store.update((tx) => {
      tx.remove('service', 'web');
      removePayload(tx, 'secret', 'db');
    });
    assert.deepEqual(names(store), []);
  });
});
