import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import { matchesConstraint, parseConstraint } from './constraint.js';
import { testNodeInfo } from './testing.js';

const node = testNodeInfo({
  id: 'n1',
  hostname: 'alpha',
  addr: '192.0.2.7',
  role: NodeRole.MANAGER,
  labels: { Zone: 'East' },
  engineLabels: { 'com.example.disk': 'ssd' },
});

const matches = (expression: string) => matchesConstraint(parseConstraint(expression), node);

describe('constraints', () => {
  for (const [expression, expected] of [
    ['node.id==n1', true],
    ['node.id == n1', true],
    ['node.id!=n1', false],
    ['node.hostname==ALPHA', true],
    ['node.role==manager', true],
    ['node.role!=worker', true],
    ['node.labels.Zone==east', true],
    ['node.labels.zone==east', false],
    ['node.labels.zone!=east', true],
    ['node.labels.missing!=x', true],
    ['node.labels.missing==x', false],
    ['engine.labels.com.example.disk==ssd', true],
    ['node.platform.os==linux', true],
    ['node.platform.arch==amd64', true],
    ['node.platform.arch==x86_64', true],
    ['node.platform.arch!=amd64', false],
    ['node.platform.arch==arm64', false],
    ['node.ip==192.0.2.7', true],
    ['node.ip==192.0.2.0/24', true],
    ['node.ip!=192.0.2.0/24', false],
    ['node.ip==198.51.100.0/24', false],
    ['node.ip==nonsense', false],
    ['node.labels.constructor==x', false],
    ['node.labels.constructor!=x', true],
    ['engine.labels.toString!=x', true],
    ['node.labels.==x', false],
    ['node.labels.!=x', false],
    ['_own!=x', false],
    ['node.unknown==x', false],
    ['node.unknown!=x', false],
  ] as const) {
    it(`${expression} is ${expected} for the node`, () => assert.equal(matches(expression), expected));
  }

  it('compare addresses, not how they are written', () => {
    const ipv6 = testNodeInfo({ id: 'n2', addr: '2001:db8::7' });
    const matches = (expression: string) => matchesConstraint(parseConstraint(expression), ipv6);
    assert.equal(matches('node.ip==2001:DB8:0::7'), true);
    assert.equal(matches('node.ip!=2001:db8:0:0::7'), false);
    assert.equal(matches('node.ip==2001:db8::/64'), true);
  });

  for (const expression of [
    'node.role',
    'node.role=manager',
    '==x',
    'node.role==',
    'a==b',
    'node.rôle==x',
    '1node==x',
    'node.role==x;y',
    '',
  ]) {
    it(`refuses '${expression}' and names it`, () => {
      assert.throws(
        () => parseConstraint(expression),
        (e) => isSwarmtsError(e, 'invalid-argument') && e.message.includes(`'${expression}'`),
      );
    });
  }
});
