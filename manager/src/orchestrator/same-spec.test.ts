import assert from 'node:assert/strict';
import { ContainerSpec, EndpointSpec, ResourceRequirements, Resources, ServiceSpec, TaskSpec } from '@swarmts/proto';
import { sameSpec } from './same-spec.js';

const spec = (task: Partial<TaskSpec>, rest: Partial<ServiceSpec> = {}) =>
  ServiceSpec.create({
    task: TaskSpec.create({ container: ContainerSpec.create({ image: 'busybox' }), ...task }),
    ...rest,
  });

describe('two specs', () => {
  it('are the same when one only spells defaults out', () => {
    const resources = ResourceRequirements.create({ limits: Resources.create({}), reservations: Resources.create({}) });
    assert.ok(sameSpec(spec({}), spec({ resources }, { endpoint: EndpointSpec.create({}) })));
  });

  it('differ in a value, an order, and a zero that was asked for', () => {
    assert.ok(!sameSpec(spec({}), spec({ forceUpdate: 1 })));
    const env = (...list: readonly string[]) =>
      spec({ container: ContainerSpec.create({ image: 'busybox', env: list }) });
    assert.ok(!sameSpec(env('A=1', 'B=2'), env('B=2', 'A=1')));
    assert.ok(!sameSpec(env('A='), env()));
    const grace = (hasStopGracePeriod: boolean) =>
      spec({ container: ContainerSpec.create({ image: 'busybox', hasStopGracePeriod }) });
    assert.ok(!sameSpec(grace(true), grace(false)));
  });

  it('compare bytes by content', () => assert.ok(sameSpec({ data: Buffer.from('x') }, { data: Uint8Array.of(120) })));
});
