/** Options of bridge networks that have an effect on the host, and those that would have none. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Driver, Network } from '@swarmts/proto';
import { boundPorts, checkBridgeOptions } from './bridge-options.js';

const BINDING = 'com.docker.network.bridge.host_binding_ipv4';
const HOST_ADDRESS = 'com.docker.network.host_ipv4';
const PREFIX = 'com.docker.network.container_iface_prefix';
const MODE = 'com.docker.network.bridge.gateway_mode_ipv';
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
        () => checkBridgeOptions(options, false),
        (e) => isSwarmtsError(e, code) && why.test(e.message),
      );
    refused({ [BINDING]: 'nope' }, 'invalid-argument', /host_binding_ipv4 value: nope \(nil ip\)/);
    for (const off of ['false', '0', 'F'])
      refused({ [MASQUERADE]: off }, 'unsupported', /under the addresses of their node.*--internal/);
    checkBridgeOptions({ [BINDING]: '192.0.2.1', [MASQUERADE]: 'true' }, false);
    checkBridgeOptions({}, false);
    refused({ [HOST_ADDRESS]: 'x' }, 'invalid-argument', /host_ipv4 value: x \(nil ip\)/);
    refused({ [HOST_ADDRESS]: '192.0.2.1' }, 'unsupported', /host_ipv4 is not supported/);
    refused({ [PREFIX]: 'much-too-long-one' }, 'invalid-argument', /container_iface_prefix "much.*more than 15 bytes/);
    refused({ [PREFIX]: 'a/b' }, 'invalid-argument', /characters/);
  });

  it('say how containers are reached from outside, as far as that can be kept', () => {
    for (const family of ['4', '6']) {
      const mode = (value: string, internal = false) => checkBridgeOptions({ [`${MODE}${family}`]: value }, internal);
      mode('nat');
      mode('isolated', true);
      assert.throws(() => mode('isolated'), /'isolated' can only be used for an internal network/);
      assert.throws(() => mode('bridged'), /gateway_mode_ipv. value: bridged \(unknown gateway mode bridged\)/);
      assert.throws(() => mode(''), /unknown gateway mode/);
      for (const direct of ['routed', 'nat-unprotected'])
        assert.throws(
          () => mode(direct),
          (e) => isSwarmtsError(e, 'unsupported') && /published ports alone/.test(e.message),
        );
    }
  });
});
