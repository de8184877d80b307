import assert from 'node:assert/strict';
import { movedAddresses, newAddresses } from './membership-addresses.js';

const interfaces = Object.fromEntries(
  ['10.0.0.5', '10.1.0.5'].map((address, i) => [
    `eth${i}`,
    [
      {
        address,
        cidr: `${address}/24`,
        family: 'IPv4' as const,
        netmask: '255.255.255.0',
        mac: '00:00:00:00:00:00',
        internal: false,
      },
    ],
  ]),
);
const none = { listenAddr: '', advertiseAddr: '', dataPathAddr: '' };
const before = { listenAddr: '0.0.0.0:2377', advertiseAddr: '10.0.0.5:2377', dataPathAddr: '10.1.0.5' };

describe('the addresses of a member', () => {
  it('are those that are wished, the daemon’s default, and the advertised one for the data path', () => {
    assert.deepEqual(newAddresses({ ...none, advertiseAddr: 'eth0' }, '', interfaces), {
      listenAddr: '0.0.0.0:2377',
      advertiseAddr: '10.0.0.5:2377',
      dataPathAddr: '10.0.0.5',
    });
    const wished = { listenAddr: '10.0.0.5:4000', advertiseAddr: '', dataPathAddr: 'eth1' };
    assert.deepEqual(newAddresses(wished, '10.0.0.5', interfaces), {
      listenAddr: '10.0.0.5:4000',
      advertiseAddr: '10.0.0.5:4000',
      dataPathAddr: '10.1.0.5',
    });
  });

  it('stay where nothing else is wished, and the data path moves with the node', () => {
    assert.deepEqual(movedAddresses(none, before, '', interfaces), before);
    const moved = movedAddresses({ ...none, advertiseAddr: '10.1.0.5:2377' }, before, '', interfaces);
    assert.deepEqual(moved, { ...before, advertiseAddr: '10.1.0.5:2377', dataPathAddr: '10.1.0.5' });
    const split = movedAddresses({ ...none, dataPathAddr: 'eth0' }, before, '', interfaces);
    assert.deepEqual(split, { ...before, dataPathAddr: '10.0.0.5' });
  });
});
