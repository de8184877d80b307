import assert from 'node:assert/strict';
import { ipamConfigs } from './ipam.js';

describe('the subnet flags of network create', () => {
  it('go to the subnet that they lie in', () => {
    assert.deepEqual(
      ipamConfigs(['10.1.0.0/24', 'fd00::/64'], ['10.1.0.64/26'], ['fd00::1', '10.1.0.254'], [['printer', '10.1.0.9']]),
      [
        {
          Subnet: '10.1.0.0/24',
          IPRange: '10.1.0.64/26',
          Gateway: '10.1.0.254',
          AuxiliaryAddresses: { printer: '10.1.0.9' },
        },
        { Subnet: 'fd00::/64', Gateway: 'fd00::1' },
      ],
    );
  });

  it('are refused where they lie in none, or come twice', () => {
    assert.throws(
      () => ipamConfigs(['10.1.0.0/24'], [], ['10.2.0.1'], []),
      /no matching subnet for gateway 10\.2\.0\.1/,
    );
    assert.throws(
      () => ipamConfigs(['10.1.0.0/24', 'fd00::/64'], [], ['10.1.0.1', '10.1.0.2'], []),
      /multiple gateways/,
    );
    assert.throws(
      () => ipamConfigs(['10.1.0.0/24', 'fd00::/64'], ['10.1.0.0/28', '10.1.0.16/28'], [], []),
      /cannot configure multiple ranges \(10\.1\.0\.16\/28, 10\.1\.0\.0\/28\) on the same subnet \(10\.1\.0\.0\/24\)/,
    );
    assert.throws(
      () => ipamConfigs([], [], ['10.1.0.1'], []),
      /every ip-range or gateway must have a corresponding subnet/,
    );
    assert.throws(
      () => ipamConfigs(['10.1.0.0/16', '10.1.3.0/24'], [], [], []),
      /multiple overlapping subnet configuration is not supported/,
    );
    assert.throws(() => ipamConfigs(['10.1.0.0'], [], ['10.1.0.1'], []), /invalid subnet 10\.1\.0\.0/);
    assert.throws(() => ipamConfigs(['10.1.0.0/24'], [], ['x'], []), /invalid address: x/);
  });
});
