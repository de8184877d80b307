import assert from 'node:assert/strict';
import { container } from '../testing/memory-backend.js';
import { containerListJson } from './container.js';
import { containerInspectJson } from './container-inspect.js';

interface Inspected {
  readonly HostConfig: { readonly PortBindings: unknown; readonly NetworkMode: string };
}

describe('a container that is inspected', () => {
  const port = { protocol: 'tcp' as const, targetPort: 80, publishedPort: 32_768, hostIp: '' };
  const made = { ...container('c'.repeat(64), 'web'), ports: [port] };

  it('shows the ports that were asked for, and not those that were free', () => {
    const PortBindings = { '80/tcp': [{ HostIp: '', HostPort: '' }] };
    const inspected = containerInspectJson({ ...made, given: { config: {}, hostConfig: { PortBindings } } }) as object;
    assert.deepEqual((inspected as Inspected).HostConfig.PortBindings, PortBindings);
    const none = containerInspectJson({ ...made, given: { config: {}, hostConfig: { PortBindings: null } } }) as object;
    assert.deepEqual((none as Inspected).HostConfig.PortBindings, {});
    const ofTask = containerInspectJson(made) as object;
    assert.deepEqual((ofTask as Inspected).HostConfig.PortBindings, {
      '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '32768' }],
    });
  });

  it('is on the bridge when it is the one of a task without networks', () => {
    const task = { ...made, networkMode: 'local', networks: [] };
    const { HostConfig, NetworkSettings } = containerListJson(task, 0) as {
      HostConfig: { NetworkMode: string };
      NetworkSettings: { Networks: object };
    };
    assert.deepEqual([HostConfig.NetworkMode, Object.keys(NetworkSettings.Networks)], ['default', ['bridge']]);
    assert.equal((containerInspectJson(task) as object as Inspected).HostConfig.NetworkMode, 'default');
  });
});
