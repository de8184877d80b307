import assert from 'node:assert/strict';
import { SwarmtsError } from './errors.js';
import { checkSubnets, fixedSubnets, withGateway } from './fixed-subnets.js';
import { parseIpPrefix } from './ip-prefix.js';
import type { SubnetConfig } from './subnet-pool.js';

const config = (subnet: string, more: Partial<SubnetConfig> = {}): SubnetConfig => ({
  subnet,
  gateway: '',
  ipRange: '',
  reserved: {},
  ...more,
});
const overlap = (a: string, b: string) => new SwarmtsError('conflict', `${a} ${b}`);
const fix = (configs: readonly SubnetConfig[], taken: readonly string[] = [], ipv6 = true) =>
  fixedSubnets(configs, { ipv6, taken: taken.map((t) => parseIpPrefix(t)), overlap });

describe('the subnets that a user fixes', () => {
  it('have the gateway that is given, or the first address of what containers get theirs from', () => {
    const gateway = (more: Partial<SubnetConfig>) => withGateway(config('10.9.0.0/16', more)).gateway;
    assert.equal(gateway({ gateway: '10.9.3.1' }), '10.9.3.1');
    assert.equal(gateway({}), '10.9.0.1');
    assert.equal(gateway({ ipRange: '10.9.4.0/24' }), '10.9.4.0');
    assert.equal(gateway({ ipRange: '10.9.0.0/24' }), '10.9.0.1');
    assert.equal(withGateway(config('fd00:1::/64')).gateway, 'fd00:1::1');
    assert.equal(withGateway(config('fd00:1::/64', { gateway: 'FD00:1:0::00A' })).gateway, 'fd00:1::a');
  });

  it('are refused with all that is wrong, in Docker’s words', () => {
    const refused: readonly (readonly [SubnetConfig, readonly string[]])[] = [
      [config('10.9.0.0'), ['invalid subnet 10.9.0.0: invalid CIDR block notation']],
      [config('10.9.0.7/24'), ['invalid subnet 10.9.0.7/24: it should be 10.9.0.0/24']],
      [config('10.9.0.0/31'), ['invalid subnet 10.9.0.0/31: it has no room for containers']],
      [
        config('10.9.0.0/24', { ipRange: 'x', gateway: '1001.1.1.1', reserved: { printer: 'y' } }),
        [
          'invalid ip-range x: invalid CIDR block notation',
          'invalid gateway 1001.1.1.1: invalid address',
          'invalid auxiliary address printer: invalid address',
        ],
      ],
      [
        config('10.9.0.0/24', { ipRange: '10.8.0.1/24', gateway: '10.8.0.1', reserved: { printer: '10.8.0.9' } }),
        [
          'invalid ip-range 10.8.0.1/24: it should be 10.8.0.0/24',
          "invalid ip-range 10.8.0.1/24: parent subnet 10.9.0.0/24 doesn't contain ip-range",
          "invalid gateway 10.8.0.1: parent subnet 10.9.0.0/24 doesn't contain this address",
          "invalid auxiliary address printer: parent subnet 10.9.0.0/24 doesn't contain this address",
        ],
      ],
      [
        config('10.9.0.0/24', { ipRange: '10.9.0.0/16' }),
        ['invalid ip-range 10.9.0.0/16: CIDR block is bigger than its parent subnet 10.9.0.0/24'],
      ],
      [
        config('10.9.0.0/24', { ipRange: 'fd00::/96', gateway: 'fd00::1' }),
        [
          'invalid ip-range fd00::/96: parent subnet is an IPv4 block',
          'invalid gateway fd00::1: parent subnet is an IPv4 block',
        ],
      ],
    ];
    for (const [c, problems] of refused) {
      const list = problems.length === 1 ? problems[0] : `* ${problems.join('\n* ')}`;
      const message = `invalid network config:\n${list}`;
      assert.throws(() => checkSubnets([c], true), { code: 'invalid-argument', message });
    }
  });

  it('do not overlap with others, nor with each other', () => {
    assert.throws(() => fix([config('10.9.3.0/24')], ['10.9.0.0/16']), { message: '10.9.3.0/24 10.9.0.0/16' });
    assert.throws(() => fix([config('10.9.0.0/16'), config('10.9.3.0/24')]), { message: '10.9.3.0/24 10.9.0.0/16' });
    assert.equal(fix([config('10.9.0.0/24'), config('10.9.1.0/24')], ['10.9.2.0/24']).length, 2);
  });

  it('reserve no address that is the gateway’s', () => {
    const reserved = { printer: '10.9.0.1' };
    assert.throws(
      () => fix([config('10.9.0.0/24', { reserved })]),
      /failed to allocate secondary ip address \(printer:10\.9\.0\.1\): Address already in use/,
    );
  });

  it('have no gateway and reserve no address at their edges', () => {
    for (const [gateway, reserved, what] of [
      ['10.9.0.0', {}, 'gateway \\(10\\.9\\.0\\.0\\)'],
      ['10.9.0.255', {}, 'gateway \\(10\\.9\\.0\\.255\\)'],
      ['', { printer: '10.9.0.255' }, 'secondary ip address \\(printer:10\\.9\\.0\\.255\\)'],
    ] as const) {
      const problem = new RegExp(
        `failed to allocate ${what}: Address already in use: it is the first or last .*10\\.9\\.0\\.0/24`,
      );
      assert.throws(() => fix([config('10.9.0.0/24', { gateway, reserved })]), problem);
    }
  });

  it('of IPv6 are left out where the network has none', () => {
    assert.deepEqual(fix([config('fd00:1::5/64')], [], false), []);
    assert.throws(() => fix([config('fd00:1::5/64')]), /it should be fd00:1::\/64/);
  });
});
