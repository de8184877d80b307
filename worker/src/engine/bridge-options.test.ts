/** Options of bridge networks that have an effect on the host, and those that would have none. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Driver, Network } from '@swarmts/proto';
import { boundPorts, checkBridgeOptions } from './bridge-options.js';

const BINDING = 'com.docker.network.bridge.host_binding_ipv4';
const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';

describe('options of bridge networks', () => {
  it('choose the address of the host for ports that name none', () => {
    const network = (name: string, options: Record<string, string>) =>
      Network.create({ driverState: Driver.create({ name, options }) });
    const bound = network('bridge', { [BINDING]: '127.0.0.1' });
    const ports = [
      { protocol: 'tcp' as const, targetPort: 80, publishedPort: 8080 },
      { protocol: 'tcp' as const, targetPort: 81, publishedPort: 8081, hostIp: '0.0.0.0' },
    ];
    const at = (...networks: (Network | undefined)[]) => boundPorts(ports, networks).map((p) => p.hostIp);
    assert.deepEqual(at(undefined, network('bridge', {}), bound), ['127.0.0.1', '0.0.0.0']);
    assert.deepEqual(at(network('overlay', { [BINDING]: '127.0.0.1' })), [undefined, '0.0.0.0']);
    assert.deepEqual(at(), [undefined, '0.0.0.0']);
  });

  it('are refused where they are no addresses, or cannot be kept', () => {
    const refused = (options: Record<string, string>, code: 'invalid-argument' | 'unsupported', why: RegExp) =>
      assert.throws(
        () => checkBridgeOptions(options),
        (e) => isSwarmtsError(e, code) && why.test(e.message),
      );
    refused({ [BINDING]: 'nope' }, 'invalid-argument', /host_binding_ipv4 value: nope \(nil ip\)/);
    for (const off of ['false', '0', 'F'])
      refused({ [MASQUERADE]: off }, 'unsupported', /under the addresses of their node.*--internal/);
    checkBridgeOptions({ [BINDING]: '192.0.2.1', [MASQUERADE]: 'true' });
    checkBridgeOptions({});
  });
});
