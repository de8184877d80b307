import assert from 'node:assert/strict';
import { hostIfaceOf, LOCAL_LEG_PREFIX, MESH_DEVICE } from '@swarmts/netplugins';
import {
  type Interfaces,
  resolveAdvertiseAddr,
  resolveDataPathAddr,
  resolveJoinAddr,
  resolveListenAddr,
  splitHostPort,
} from './addresses.js';

const v4 = (address: string, cidr = `${address}/24`) => ({
  address,
  cidr,
  family: 'IPv4' as const,
  netmask: '255.255.255.0',
  mac: '00:00:00:00:00:00',
  internal: address.startsWith('127.'),
});
const lo = { lo: [v4('127.0.0.1')] };
const one: Interfaces = { ...lo, eth0: [v4('10.0.0.5')] };
const two: Interfaces = { ...one, eth1: [v4('10.1.0.5')] };
const any = { host: '0.0.0.0', port: 2377 };

describe('the addresses of a node', () => {
  it('are read with and without a port', () => {
    assert.deepEqual(splitHostPort('10.0.0.1', 2377), { host: '10.0.0.1', port: 2377 });
    assert.deepEqual(splitHostPort('[::1]:99', 2377), { host: '::1', port: 99 });
    assert.deepEqual(splitHostPort('::1', 2377), { host: '::1', port: 2377 });
    for (const bad of ['', ':2377', '10.0.0.1:', '10.0.0.1:99999', 'a:b:c'])
      assert.throws(() => splitHostPort(bad, 2377), /invalid address/, bad);
  });

  it('is the only one of the machine, legs of containers aside', () => {
    const leg = hostIfaceOf(LOCAL_LEG_PREFIX, 'a'.repeat(64));
    const containers = { [leg]: [v4('172.30.0.1')], [MESH_DEVICE]: [v4('169.254.255.1')], docker0: [v4('172.17.0.1')] };
    assert.equal(resolveAdvertiseAddr('', any, { ...one, ...containers }).host, '10.0.0.5');
    const refused = /10\.9\.9\.9 is not an address of this machine; its addresses are 127\.0\.0\.1, 10\.0\.0\.5$/;
    assert.throws(() => resolveAdvertiseAddr('10.9.9.9', any, { ...one, ...containers }), refused);
  });

  it('has to be said where the machine has several or none', () => {
    assert.throws(() => resolveAdvertiseAddr('', any, two), /could not choose .* multiple addresses \(.*\)$/);
    assert.throws(() => resolveAdvertiseAddr('', any, lo), /could not find the system's IP address$/);
  });

  it('may be given as an interface or an own address, with a port', () => {
    assert.deepEqual(resolveAdvertiseAddr('eth1:4000', any, two), { host: '10.1.0.5', port: 4000 });
    assert.deepEqual(resolveAdvertiseAddr('10.0.0.5', any, two), { host: '10.0.0.5', port: 2377 });
    assert.equal(resolveListenAddr('eth0:4000', two).host, '10.0.0.5');
  });

  it("is refused when it is not this machine's, and the error names those that are", () => {
    assert.throws(() => resolveAdvertiseAddr('10.9.9.9', any, one), /10\.9\.9\.9 is not an address .* 10\.0\.0\.5/);
    assert.throws(() => resolveAdvertiseAddr('eth7', any, one), /eth7 is neither/);
    assert.throws(() => resolveAdvertiseAddr('0.0.0.0', any, one), /non-zero IP address/);
  });

  it('of overlay traffic is the advertised one, another own one, or an interface', () => {
    const advertise = { host: '10.0.0.5', port: 4000 };
    assert.equal(resolveDataPathAddr('', advertise, two), '10.0.0.5');
    assert.equal(resolveDataPathAddr('eth1', advertise, two), '10.1.0.5');
    assert.equal(resolveDataPathAddr('10.1.0.5', advertise, two), '10.1.0.5');
    assert.throws(() => resolveDataPathAddr('foo', advertise, two), /data path address must be .*: foo is neither/);
    assert.throws(
      () => resolveDataPathAddr('9.9.9.9', advertise, two),
      /data path address 9\.9\.9\.9 is not an address/,
    );
    for (const bad of ['0.0.0.0', '::', '0.0.0.0:2000', '10.0.0.5:2000'])
      assert.throws(
        () => resolveDataPathAddr(bad, advertise, two),
        /non-zero .*without a port.* --data-path-addr/,
        bad,
      );
  });

  it('is the one in the network of the manager that is joined', () => {
    assert.equal(resolveJoinAddr('', '10.1.0.9:2377', any, two).host, '10.1.0.5');
    assert.throws(() => resolveJoinAddr('', '192.0.2.1:2377', any, two), /multiple addresses/);
  });
});
