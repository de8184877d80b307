import assert from 'node:assert/strict';
import { NetworkSpec } from '@swarmts/proto';
import fc from 'fast-check';
import { routerOf } from './router-of-network.js';
import { KERNEL_RULES, MAIN_TABLE, planRouter, type RouterStep } from './router-plan.js';
import type { ObservedRouter, RouterSpec } from './router-spec.js';
import { endpoint, peers, testNetwork, testView } from './testing.js';

const EMPTY: ObservedRouter = {
  loopbackIsUp: true,
  links: [],
  gateways: [],
  uplinkAddresses: [],
  routes: [],
  neighbours: [],
  fdb: [],
  rules: KERNEL_RULES,
};

const specOf = (view = testView(), legs: readonly (readonly [string, string])[] = [['t1', 'l1']]): RouterSpec =>
  routerOf({
    view,
    nodeId: 'a',
    netns: '/run/r/net1',
    dataPathPort: 4789,
    tunnels: '/run/r/tunnels',
    keepsClientAddress: true,
    mtu: 1450,
    legs: new Map(legs.map(([id, name]) => [id, { name, addresses: view.endpoints.get(id)?.addresses ?? [] }])),
  });

/** A kernel that does what it is told. */
function carriedOut(found: ObservedRouter, steps: readonly RouterStep[], spec: RouterSpec): ObservedRouter {
  let s = found;
  const without = <T>(list: readonly T[], is: (t: T) => boolean) => list.filter((t) => !is(t));
  for (const step of steps) {
    switch (step.kind) {
      case 'raise-loopback':
        s = { ...s, loopbackIsUp: true };
        break;
      case 'mend-settings':
        s = { ...s, links: s.links.map((l) => (l.name === step.device ? { ...l, forwards: true } : l)) };
        break;
      case 'make-vxlan': {
        const { vxlan: v } = spec;
        if (!v) throw new Error('nothing to make');
        const { mac, mtu, ...vxlan } = v;
        s = { ...s, links: [...s.links, { name: 'vx0', up: true, forwards: true, mac, mtu, vxlan }] };
        break;
      }
      case 'make-uplink':
        s = {
          ...s,
          links: [...s.links, { name: 'up0', up: true, forwards: true, mac: '', mtu: 0 }],
          uplinkAddresses: spec.uplink?.routerAddresses ?? [],
        };
        break;
      case 'delete-link':
        s = {
          ...s,
          links: without(s.links, (l) => l.name === step.name),
          routes: without(s.routes, (r) => r.device === step.name),
          ...(step.name === 'vx0' ? { fdb: [], neighbours: [] } : { uplinkAddresses: [] }),
        };
        break;
      case 'add-gateway':
        s = { ...s, gateways: [...s.gateways, step.address] };
        break;
      case 'delete-gateway':
        s = { ...s, gateways: without(s.gateways, (g) => g === step.address) };
        break;
      case 'set-neighbour':
        s = { ...s, neighbours: [...without(s.neighbours, (n) => n.address === step.address), step] };
        break;
      case 'delete-neighbour':
        s = { ...s, neighbours: without(s.neighbours, (n) => n.address === step.address) };
        break;
      case 'set-fdb':
        s = { ...s, fdb: [...without(s.fdb, (f) => f.mac === step.mac), step] };
        break;
      case 'delete-fdb':
        s = { ...s, fdb: without(s.fdb, (f) => f.mac === step.mac) };
        break;
      case 'set-route': {
        const r = { table: MAIN_TABLE, gateway: '', ...step.route };
        const same = (x: (typeof s.routes)[number]) =>
          x.destination === r.destination && x.table === r.table && x.family === r.family;
        s = { ...s, routes: [...without(s.routes, same), r] };
        break;
      }
      case 'delete-route':
        s = {
          ...s,
          routes: without(
            s.routes,
            (r) =>
              r.destination === step.route.destination &&
              r.table === (step.route.table ?? MAIN_TABLE) &&
              r.family === step.route.family,
          ),
        };
        break;
      case 'add-rule':
        s = { ...s, rules: [...s.rules, step.rule] };
        break;
      case 'delete-rule':
        s = { ...s, rules: without(s.rules, (r) => r === step.rule) };
        break;
    }
  }
  return s;
}

const withLeg = (found: ObservedRouter): ObservedRouter => ({
  ...found,
  links: [...found.links, { name: 'l1', up: true, forwards: true, mac: '', mtu: 1450 }],
});

describe('the plan of a router', () => {
  it('makes the tunnel first, then what leads to the other nodes, then the routes', () => {
    const { steps, missingLegs } = planRouter(specOf(), EMPTY);
    assert.deepEqual(missingLegs, ['l1']);
    assert.deepEqual(
      steps.map((s) =>
        s.kind === 'set-route' ? `${s.kind} ${s.route.destination} ${s.route.gateway ?? s.route.device}` : s.kind,
      ),
      ['make-vxlan', 'add-gateway', 'set-fdb', 'set-neighbour', 'set-neighbour', 'set-route 10.1.0.6/32 169.254.0.3'],
    );
  });

  it('gives local endpoints a route to their leg once it is there', () => {
    const { steps } = planRouter(specOf(), withLeg(EMPTY));
    assert.ok(
      steps.some((s) => s.kind === 'set-route' && s.route.destination === '10.1.0.5/32' && s.route.device === 'l1'),
    );
  });

  it('has nothing to do when everything is as it should be', () => {
    const spec = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(spec, withLeg(EMPTY)).steps, spec);
    assert.deepEqual(planRouter(spec, found), { steps: [], missingLegs: [] });
  });

  it('takes away what is not wanted any more, last of all', () => {
    const before = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(before, withLeg(EMPTY)).steps, before);
    const after = specOf(testView({ endpoints: [endpoint('t1', 'a', '10.1.0.5')], peers: peers.slice(0, 1) }));
    assert.deepEqual(
      planRouter(after, found).steps.map((s) => s.kind),
      ['delete-route', 'delete-fdb', 'delete-neighbour', 'delete-neighbour'],
    );
  });

  it('replaces a tunnel with other settings, and everything that hung on it', () => {
    const spec = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(spec, withLeg(EMPTY)).steps, spec);
    const moved = { ...spec, vxlan: spec.vxlan && { ...spec.vxlan, local: '192.0.2.9' } };
    const kinds = planRouter(moved, found).steps.map((s) => s.kind);
    assert.deepEqual(kinds, ['delete-link', 'make-vxlan', 'set-fdb', 'set-neighbour', 'set-neighbour', 'set-route']);
  });

  it('needs no tunnel for a network of this node alone', () => {
    const view = testView({ network: testNetwork({}, 0), peers: [] });
    assert.equal(specOf(view).vxlan, undefined);
    assert.deepEqual(
      planRouter(specOf(view), withLeg(EMPTY)).steps.map((s) => s.kind),
      ['add-gateway', 'set-route'],
    );
  });

  it('of the ingress network has an uplink, and routes for replies by where their connection came from', () => {
    const view = testView({ network: testNetwork(NetworkSpec.create({ ingress: true })) });
    const { steps } = planRouter(specOf(view), EMPTY);
    assert.deepEqual(
      steps.filter((s) => s.kind.startsWith('make')).map((s) => s.kind),
      ['make-vxlan', 'make-uplink'],
    );
    const rules = steps.flatMap((s) =>
      s.kind === 'add-rule' && s.rule.family === 'ipv4' ? [`${s.rule.mark} ${s.rule.table}`] : [],
    );
    assert.deepEqual(rules, ['65536 100', '1 101']);
  });

  it('brings back the kernel’s own rules, and takes away those of others', () => {
    const spec = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(spec, withLeg(EMPTY)).steps, spec);
    const [local, ...flushed] = KERNEL_RULES;
    assert.ok(local);
    const prohibit = { family: 'ipv4', priority: 5, table: 0, action: 8 } as const;
    const elsewhere = { family: 'ipv4', priority: 6, table: 200, source: '10.1.0.5/32' } as const;
    assert.deepEqual(planRouter(spec, { ...found, rules: [local, prohibit, elsewhere] }).steps, [
      ...flushed.map((rule) => ({ kind: 'add-rule', rule })),
      { kind: 'delete-rule', rule: prohibit },
      { kind: 'delete-rule', rule: elsewhere },
    ]);
  });

  it('raises the loopback, and has devices forward that somebody has kept from it', () => {
    const spec = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(spec, withLeg(EMPTY)).steps, spec);
    const links = found.links.map((l) => ({ ...l, forwards: false }));
    const { steps } = planRouter(spec, { ...found, loopbackIsUp: false, links });
    assert.deepEqual(steps, [
      { kind: 'raise-loopback' },
      { kind: 'mend-settings', device: 'l1' },
      { kind: 'mend-settings', device: 'vx0' },
    ]);
  });

  it('takes away legs that no container has, and no other devices', () => {
    const spec = specOf();
    const found = carriedOut(withLeg(EMPTY), planRouter(spec, withLeg(EMPTY)).steps, spec);
    const foreign = ['l0123456789abc', 'lan0', 'lo'].map((name) => ({
      name,
      up: true,
      forwards: true,
      mac: '',
      mtu: 1,
    }));
    const { steps } = planRouter(spec, { ...found, links: [...found.links, ...foreign] });
    assert.deepEqual(steps, [{ kind: 'delete-link', name: 'l0123456789abc' }]);
  });

  it('gets from anything to what is wanted in one go', () => {
    const arbitraryView = fc
      .array(fc.record({ host: fc.integer({ min: 2, max: 12 }), node: fc.constantFrom('a', 'b', 'c') }), {
        maxLength: 8,
      })
      .map((list) => {
        const byHost = new Map(list.map((e) => [e.host, e]));
        return testView({
          endpoints: [...byHost.values()].map((e) => endpoint(`t${e.host}`, e.node, `10.1.0.${e.host}`)),
        });
      });
    fc.assert(
      fc.property(arbitraryView, arbitraryView, (from, to) => {
        const first = specOf(from, []);
        const second = specOf(to, []);
        const found = carriedOut(EMPTY, planRouter(first, EMPTY).steps, first);
        const now = carriedOut(found, planRouter(second, found).steps, second);
        assert.deepEqual(planRouter(second, now).steps, []);
      }),
    );
  });
});
