import assert from 'node:assert/strict';
import { ipamStatusJson } from './ipam-status.js';

describe('the status of a network’s addresses', () => {
  const config = { subnet: '10.1.0.0/24', gateway: '10.1.0.1', ipRange: '', reserved: {} };

  it('counts edges, the gateway, what is reserved, and each endpoint once', () => {
    const reserved = { router: '10.1.0.9' };
    const addresses = ['10.1.0.5/24', '10.1.0.5', '10.1.0.1', '', '192.0.2.1', 'fd00::5'];
    const status = ipamStatusJson([{ ...config, reserved }], addresses);
    assert.deepEqual(status, { IPAM: { Subnets: { '10.1.0.0/24': { IPsInUse: 5, DynamicIPsAvailable: 251 } } } });
    assert.deepEqual(ipamStatusJson([], addresses), { IPAM: { Subnets: {} } });
  });

  it('tells how many are left to be chosen from', () => {
    const status = ipamStatusJson([{ ...config, ipRange: '10.1.0.64/30' }], ['10.1.0.65', '10.1.0.200']);
    assert.deepEqual(status, { IPAM: { Subnets: { '10.1.0.0/24': { IPsInUse: 5, DynamicIPsAvailable: 3 } } } });
  });

  it('stays within 64 bits for IPv6', () => {
    const status = ipamStatusJson([{ ...config, subnet: 'fd00::/48', gateway: 'fd00::1' }], ['fd00::5/48']) as {
      readonly IPAM: { readonly Subnets: Readonly<Record<string, { readonly DynamicIPsAvailable: number }>> };
    };
    assert.equal(BigInt(status.IPAM.Subnets['fd00::/48']?.DynamicIPsAvailable ?? 0), 2n ** 64n - 2n ** 11n);
  });
});
