import assert from 'node:assert/strict';
import { EndpointMode, NetworkSpec, PortProtocol } from '@swarmts/proto';
import { meshRules } from './mesh-rules.js';
import type { NetworkView } from './network-view.js';
import { routerRules } from './router-rules.js';
import { changeBetween, documentOf, type RuleSet } from './rule-set.js';
import { endpoint, port, service, testNetwork, testView } from './testing.js';

const ingress = (more = {}) => testView({ network: testNetwork(NetworkSpec.create({ ingress: true })), ...more });
const mesh = (
  view = ingress({ services: [service({ ports: [port()] })] }),
  shortcuts: ReadonlyMap<string, string> = new Map(),
) => meshRules({ nodeId: 'a', ingress: view, dataPathPort: 4789, vteps: ['192.0.2.2'], shortcuts });
const router = (view: NetworkView = testView(), own: readonly string[] = ['10.1.0.5']) => routerRules(view, 'a', own);

/** A collection's elements, as nft is told of them. */
const elements = (rules: RuleSet, name: string) =>
  [...(rules.flatMap((t) => t.collections).find((c) => c.name === name)?.elements ?? [])].map(([k, v]) =>
    v === '' ? k : `${k} : ${v}`,
  );

describe('the rules of a router', () => {
  it('spread a virtual address over the tasks that are ready', () => {
    assert.deepEqual(elements(router(), 'vip4'), ['10.1.0.2 : goto of_2_4']);
    assert.deepEqual(elements(router(), 'backends4'), ['10.1.0.2 . 0 : 10.1.0.5', '10.1.0.2 . 1 : 10.1.0.6']);
    assert.match(documentOf(router()), /dnat ip to ip daddr \. numgen random mod 2 map @backends4/);
  });

  it('leave out tasks that are not ready, whatever the order in which they became known', () => {
    const [a, b] = [endpoint('t1', 'a', '10.1.0.5'), endpoint('t2', 'b', '10.1.0.6')];
    const late = endpoint('t3', 'b', '10.1.0.7', { ready: false });
    const rules = router(testView({ endpoints: [late, b, a] }));
    assert.doesNotMatch(elements(rules, 'backends4').join(), /10\.1\.0\.7/);
    assert.deepEqual(
      elements(rules, 'backends4'),
      elements(router(testView({ endpoints: [a, b, late] })), 'backends4'),
    );
  });

  it('reject for a service without tasks', () => {
    const rules = router(testView({ endpoints: [] }));
    assert.deepEqual(elements(rules, 'empty4'), ['10.1.0.2']);
    assert.deepEqual(elements(rules, 'vip4'), []);
  });

  it('know no virtual address with dnsrr, and track no connection', () => {
    const text = documentOf(router(testView({ services: [service({ mode: EndpointMode.DNSRR, virtualIps: [] })] })));
    assert.doesNotMatch(text, /dnat|nat hook|notrack/);
    assert.match(text, /fib saddr \. iif oif missing drop/, 'sources are checked all the same');
  });

  it('track connections of those alone that may have to be translated, also while they drain', () => {
    const draining = endpoint('t1', 'a', '10.1.0.5', { ready: false });
    const stranger = endpoint('t9', 'b', '10.1.0.9', { serviceId: '' });
    const rules = router(testView({ endpoints: [draining, stranger] }));
    assert.deepEqual(elements(rules, 'translated4'), ['10.1.0.2', '10.1.0.5']);
    assert.match(documentOf(rules), /ip saddr != @translated4 ip daddr != @translated4 notrack/);
  });

  it('masquerade a task that reaches itself, and no other', () => {
    assert.deepEqual(elements(router(), 'self4'), ['10.1.0.5 . 10.1.0.5']);
  });

  it('of the ingress network mark connections by the node that they came through', () => {
    const rules = router(ingress());
    assert.deepEqual(elements(rules, 'peer_mark'), ['02:53:57:52:00:03 : 0x00010003']);
    assert.deepEqual(elements(rules, 'peer_zone'), ['02:53:57:52:00:03 : 3']);
    assert.match(documentOf(rules), /table netdev swarmts/);
    assert.doesNotMatch(documentOf(router()), /netdev|peer_mark/);
    assert.doesNotMatch(documentOf(rules), /notrack/);
  });
});

describe('the rules of published ports', () => {
  it('lead to all tasks, on every address of the node', () => {
    assert.deepEqual(elements(mesh(), 'published4'), ['tcp . 8080 : goto of_2_4']);
    assert.deepEqual(elements(mesh(), 'backends4'), [
      'tcp . 8080 . 0 : 10.1.0.5 . 80',
      'tcp . 8080 . 1 : 10.1.0.6 . 80',
    ]);
    assert.doesNotMatch(documentOf(mesh()), /oifname "swlmesh0" masquerade/, 'the address of the client is kept');
  });

  it('lead to a task of the node by its way out, unless it has to choose the address that it answers from', () => {
    const shortcuts = new Map([['10.1.0.5', '172.30.0.7']]);
    const ports = [port(), port({ protocol: PortProtocol.UDP, publishedPort: 8053, targetPort: 53 })];
    const rules = mesh(ingress({ services: [service({ ports })] }), shortcuts);
    assert.deepEqual(elements(rules, 'backends4'), [
      'tcp . 8080 . 0 : 172.30.0.7 . 80',
      'tcp . 8080 . 1 : 10.1.0.6 . 80',
      'udp . 8053 . 0 : 10.1.0.5 . 53',
      'udp . 8053 . 1 : 10.1.0.6 . 53',
    ]);
    assert.deepEqual(elements(rules, 'self'), ['10.1.0.5 . 172.30.0.7'], 'it may ask for itself');
  });

  it('lead to tasks of each family by themselves', () => {
    const six = endpoint('t2', 'b', 'fd00::6', { addresses: ['10.1.0.6', 'fd00::6'] });
    const rules = mesh(
      ingress({ services: [service({ ports: [port()] })], endpoints: [endpoint('t1', 'a', '10.1.0.5'), six] }),
    );
    assert.deepEqual(elements(rules, 'published6'), ['tcp . 8080 : goto of_1_6']);
    assert.deepEqual(elements(rules, 'backends6'), ['tcp . 8080 . 0 : fd00::6 . 80']);
  });

  it('keep to the tasks of the node where that is preferred and there are some', () => {
    const local = [service({ ports: [port({ preferLocal: true })] })];
    assert.deepEqual(elements(mesh(ingress({ services: local })), 'backends4'), ['tcp . 8080 . 0 : 10.1.0.5 . 80']);
    const far = { services: local, endpoints: [endpoint('t2', 'b', '10.1.0.6')] };
    assert.deepEqual(elements(mesh(ingress(far)), 'backends4'), ['tcp . 8080 . 0 : 10.1.0.6 . 80']);
  });

  it('reject while there is no task', () => {
    const rules = mesh(ingress({ services: [service({ ports: [port()] })], endpoints: [] }));
    assert.deepEqual(elements(rules, 'empty'), ['tcp . 8080']);
    assert.deepEqual(elements(rules, 'published4'), []);
  });

  it('let members alone speak to the VXLAN port', () => {
    const [, members = ''] = /chain members \{\n([^}]*)\}/.exec(documentOf(mesh())) ?? [];
    assert.deepEqual(members.trim().split(/\n\s*/), [
      'type filter hook prerouting priority -300; policy accept;',
      'meta l4proto != udp accept',
      'udp dport != 4789 accept',
      'ip saddr @vteps4 accept',
      'ip6 saddr @vteps6 accept',
      'fib daddr type local drop',
      'ip daddr @vteps4 drop',
      'ip6 daddr @vteps6 drop',
    ]);
    assert.deepEqual(elements(mesh(), 'vteps4'), ['192.0.2.2']);
  });
});

describe('a change of rules', () => {
  const endpoints = (n: number) => Array.from({ length: n }, (_, i) => endpoint(`t${i}`, 'a', `10.1.0.${i + 5}`));
  const many = (n: number) => router(testView({ endpoints: endpoints(n) }));

  it('is nothing where nothing has changed', () => assert.equal(changeBetween(router(), router()), ''));

  it('of one backend is one of a few elements: what goes first, then what comes', () => {
    assert.equal(
      changeBetween(many(3), many(2)),
      [
        'delete element inet swarmts backends4 { 10.1.0.2 . 2 }',
        'delete element inet swarmts vip4 { 10.1.0.2 }',
        'delete element inet swarmts translated4 { 10.1.0.7 }',
        'add element inet swarmts vip4 { 10.1.0.2 : goto of_2_4 }',
        '',
      ].join('\n'),
    );
  });

  it('that needs other chains is one of the whole', () => {
    assert.equal(changeBetween(many(2), many(17)), undefined, 'a number of backends that has no chain yet');
    const dnsrr = router(testView({ services: [service({ mode: EndpointMode.DNSRR, virtualIps: [] })] }));
    assert.equal(changeBetween(dnsrr, router()), undefined);
  });

  it('does not grow with the number of services', () => {
    const services = (n: number) =>
      Array.from({ length: n }, (_, i) =>
        service({ serviceId: `s${i}`, ports: [port({ publishedPort: 10_000 + i })] }),
      );
    const published = (n: number) =>
      mesh(
        ingress({
          services: services(n),
          endpoints: Array.from({ length: n }, (_, i) => endpoint(`t${i}`, 'a', '10.1.0.5', { serviceId: `s${i}` })),
        }),
      );
    const change = changeBetween(published(10_000), published(9_999)) ?? assert.fail('as a whole');
    assert.ok(change.length < 500, change.slice(0, 500));
  });
});
