import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { validateInitRequest } from './init-request.js';

const check = (change: Partial<Parameters<typeof validateInitRequest>[0]>) =>
  validateInitRequest({ dataPathPort: 0, defaultAddrPools: [], subnetSize: 0, ...change });
const isRefused = (change: Parameters<typeof check>[0], message: RegExp) =>
  assert.throws(
    () => check(change),
    (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message),
    String(message),
  );

describe('a request to make a cluster', () => {
  it('may leave everything to the defaults', () => check({}));

  it('names a port for overlay traffic that no system service has', () => {
    for (const dataPathPort of [1024, 4789, 49_151]) check({ dataPathPort });
    for (const dataPathPort of [1, 80, 1023, 49_152, 99_999])
      isRefused({ dataPathPort }, new RegExp(`from 1024 to 49151, not ${dataPathPort}: --data-path-port`));
  });

  it('has address pools that its subnets fit into', () => {
    check({ defaultAddrPools: ['10.20.0.0/16'], subnetSize: 24 });
    check({ defaultAddrPools: ['10.20.0.0/26'], subnetSize: 29 });
    check({ defaultAddrPools: ['10.20.0.0/24'] });
    isRefused({ defaultAddrPools: ['10.20.0.0/16'], subnetSize: 8 }, /subnets of \/8 do not fit .* 10\.20\.0\.0\/16/);
    isRefused({ defaultAddrPools: ['10.20.0.0/26'] }, /subnets of \/24 do not fit .* use \/26 to \/29/);
    isRefused({ subnetSize: 30 }, /\/30 are too small, use \/29 at most: --default-addr-pool-mask-length/);
    isRefused({ subnetSize: 4 }, /do not fit into the address pool 10\.0\.0\.0\/8/);
  });

  it('has address pools of IPv4 that do not overlap', () => {
    check({ defaultAddrPools: ['10.20.0.0/16', '10.21.0.0/16'] });
    isRefused({ defaultAddrPools: ['10.20.0.0/16', '10.20.5.0/24'] }, /10\.20\.0\.0\/16 and 10\.20\.5\.0\/24 overlap/);
    isRefused({ defaultAddrPools: ['10.20.0.0/16', '10.20.0.0/16'] }, /overlap/);
    isRefused({ defaultAddrPools: ['pool'] }, /invalid address pool "pool": use .* --default-addr-pool/);
    isRefused({ defaultAddrPools: ['fd00::/64'] }, /fd00::\/64 is not of IPv4/);
    isRefused({ defaultAddrPools: ['10.20.0.0/30'], subnetSize: 29 }, /10\.20\.0\.0\/30 is too small/);
  });
});
