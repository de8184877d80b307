import assert from 'node:assert/strict';
import { portBindings } from './run-values.js';

describe('the published ports of a container', () => {
  it('are bound one to one', () => {
    assert.deepEqual(portBindings(['127.0.0.1:8080-8081:80-81']), {
      '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
      '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '8081' }],
    });
  });

  it('are one of a range before a single port', () => {
    assert.deepEqual(portBindings(['[::1]:8000-8001:80/udp']), {
      '80/udp': [{ HostIp: '::1', HostPort: '8000-8001' }],
    });
    assert.throws(() => portBindings(['8001-8000:80']), /invalid range specified for port: 8001-8000/);
  });
});
