import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';

interface SpecJson {
  readonly UpdateConfig?: { readonly Parallelism: number };
  readonly RollbackConfig?: object;
  readonly TaskTemplate: {
    readonly ContainerSpec: { readonly StopGracePeriod?: number; readonly DNSConfig?: object };
    readonly Resources?: object;
    readonly Placement?: object;
    readonly RestartPolicy: { readonly Condition: string };
  };
}

describe('a service that is inspected with its defaults', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const inspect = async (spec: object, query = '?insertDefaults=true') => {
    const { ID } = (await api.send('POST', '/services/create', { body: spec })).json as { readonly ID: string };
    // The shape is Docker's, which the harness has checked.
    return ((await api.send('GET', `/services/${ID}${query}`)).json as { readonly Spec: SpecJson }).Spec;
  };
  const task = { ContainerSpec: { Image: 'alpine:3' } };

  it('shows how it is updated, restarted and stopped', async () => {
    const spec = await inspect({ Name: 'web', TaskTemplate: task });
    const update = { Parallelism: 1, FailureAction: 'pause', Monitor: 5e9, MaxFailureRatio: 0, Order: 'stop-first' };
    assert.deepEqual(spec.UpdateConfig, update);
    assert.deepEqual(spec.RollbackConfig, update);
    assert.equal(spec.TaskTemplate.ContainerSpec.StopGracePeriod, 10e9);
    const { Resources, Placement, ContainerSpec } = spec.TaskTemplate;
    assert.deepEqual([Resources, Placement, ContainerSpec.DNSConfig], [{}, {}, {}]);
    assert.deepEqual(spec.TaskTemplate.RestartPolicy, { Condition: 'any', Delay: 5e9, MaxAttempts: 0 });
  });

  it('shows what it was given, and nothing else when that is not asked for', async () => {
    const TaskTemplate = {
      ContainerSpec: { Image: 'alpine:3', StopGracePeriod: 0 },
      RestartPolicy: { Condition: 'none' },
    };
    const UpdateConfig = { Parallelism: 7 };
    const given = await inspect({ Name: 'a', TaskTemplate, UpdateConfig });
    assert.equal(given.UpdateConfig?.Parallelism, 7);
    assert.equal(given.TaskTemplate.ContainerSpec.StopGracePeriod, 0);
    assert.equal(given.TaskTemplate.RestartPolicy.Condition, 'none');
    const plain = await inspect({ Name: 'b', TaskTemplate: task }, '');
    assert.equal(plain.UpdateConfig, undefined);
  });

  it('has no updates when it is a job', async () => {
    const spec = await inspect({ Name: 'job', TaskTemplate: task, Mode: { ReplicatedJob: {} } });
    assert.equal(spec.UpdateConfig, undefined);
    assert.equal(spec.TaskTemplate.RestartPolicy.Condition, 'on-failure');
  });
});
