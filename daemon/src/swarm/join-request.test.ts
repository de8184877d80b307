import assert from 'node:assert/strict';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { Interfaces } from './addresses.js';
import { askManagers } from './join-request.js';

const v4 = (address: string) => ({
  address,
  cidr: `${address}/24`,
  family: 'IPv4' as const,
  netmask: '255.255.255.0',
  mac: '00:00:00:00:00:00',
  internal: false,
});
const interfaces: Interfaces = { eth0: [v4('10.0.0.5')], eth1: [v4('10.1.0.5')] };
const own = { listen: { host: '0.0.0.0', port: 2377 }, interfaces };
const request = { remoteAddrs: ['10.0.0.9'], advertiseAddr: '', dataPathAddr: '' };

describe('a request to join', () => {
  let asked: string[];
  beforeEach(() => {
    asked = [];
  });
  const issue = async (remote: string): Promise<string> => {
    asked.push(remote);
    if (remote.startsWith('10.0.0.8')) throw new SwarmtsError('unavailable', 'nobody there');
    if (remote.startsWith('10.0.0.7')) throw new SwarmtsError('permission-denied', 'wrong token');
    return 'certificate';
  };

  it('asks nobody for a certificate with an address that is not of this machine', async () => {
    for (const wrong of [
      { advertiseAddr: 'eth99' },
      { advertiseAddr: '9.9.9.9' },
      { advertiseAddr: '0.0.0.0' },
      { dataPathAddr: 'foo' },
      { dataPathAddr: '9.9.9.9' },
      { remoteAddrs: ['192.0.2.1'] },
      { remoteAddrs: ['10.0.0.9', 'a:b:c'] },
    ]) {
      const r = askManagers({ ...request, ...wrong }, own, issue);
      await assert.rejects(r, (e) => isSwarmtsError(e, 'invalid-argument'), JSON.stringify(wrong));
    }
    assert.deepEqual(asked, []);
  });

  it('asks the next manager when one does not answer, and advertises the address in its network', async () => {
    const remoteAddrs = ['10.0.0.8', '10.1.0.9:4000'];
    assert.deepEqual(await askManagers({ ...request, remoteAddrs }, own, issue), {
      remote: '10.1.0.9:4000',
      advertise: { host: '10.1.0.5', port: 2377 },
      dataPathAddr: '10.1.0.5',
      answer: 'certificate',
    });
    assert.deepEqual(asked, ['10.0.0.8:2377', '10.1.0.9:4000']);
  });

  it('ends with the first answer, and with the last silence', async () => {
    const remoteAddrs = ['10.0.0.7', '10.0.0.9'];
    await assert.rejects(askManagers({ ...request, remoteAddrs }, own, issue), /wrong token/);
    await assert.rejects(askManagers({ ...request, remoteAddrs: ['10.0.0.8'] }, own, issue), /nobody there/);
    assert.deepEqual(asked, ['10.0.0.7:2377', '10.0.0.8:2377']);
  });
});
