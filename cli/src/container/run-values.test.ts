import assert from 'node:assert/strict';
import { portBindings } from './run-values.js';

describe('the published ports of a container', () => {
  it('are bound one to one', () => {
    assert.deepEqual(portBindings(['127.0.0.1:8080-8081:80-81']), {
      '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
      '81/tcp': [{ HostIp: '127.0.0.1', HostPort: '8081' }],
    });
  });

  it('cannot be a range before a single port', () => {
    assert.throws(() => portBindings(['8000-8001:80']), /a range needs a range of container ports/);
  });
});
