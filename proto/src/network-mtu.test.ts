import assert from 'node:assert/strict';
import { Driver, NetworkSpec } from './gen/index.js';
import { MTU_OPTION, mtuProblem, wishedMtu } from './network-mtu.js';

const spec = (mtu: string, ipv6Enabled = false) =>
  NetworkSpec.create({ driver: Driver.create({ options: { [MTU_OPTION]: mtu } }), ipv6Enabled });

describe('the MTU of a network', () => {
  it('is what is wished, or left to the underlay', () => {
    assert.deepEqual([wishedMtu({}), wishedMtu({ [MTU_OPTION]: '0' })], [undefined, undefined]);
    assert.deepEqual([wishedMtu({ [MTU_OPTION]: '1400' }), wishedMtu({ [MTU_OPTION]: 'x' })], [1400, undefined]);
  });

  it('has to be one that devices take, and on networks with IPv6 one that it takes', () => {
    for (const mtu of ['', '0', '68', '1400', '65535']) assert.equal(mtuProblem(spec(mtu)), undefined, mtu);
    for (const mtu of ['x', '-1', '1.5', '67', '65536', '1400 ', '0x578'])
      assert.match(
        mtuProblem(spec(mtu)) ?? '',
        /^invalid com\.docker\.network\.driver\.mtu ".*": a number from 68 to/,
        mtu,
      );
    assert.equal(mtuProblem(spec('1280', true)), undefined);
    assert.match(mtuProblem(spec('1279', true)) ?? '', /"1279": a number from 1280 to 65535 on a network with IPv6$/);
    assert.equal(mtuProblem(NetworkSpec.create({})), undefined);
  });
});
