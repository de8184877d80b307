import assert from 'node:assert/strict';
import { DataPathKey, NetworkPeer } from '@swarmts/proto';
import { type FoundTunnel, planTunnels, RETIREMENT_MS, type TunnelInput } from './tunnel-plan.js';

const keyOf = (generation: number, name = `b${generation}`) =>
  DataPathKey.create({ generation, publicKey: name, port: 4790 + (generation % 2) });
const peer = (...keys: readonly DataPathKey[]) =>
  NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3, keys: [...keys] });
const found = (generation: number, ...established: readonly string[]): FoundTunnel => ({
  name: `swgabcdef-${generation}`,
  publicKey: `a${generation}`,
  port: 4790,
  listening: true,
  established,
});
const plan = (more: Partial<TunnelInput>) =>
  planTunnels({
    netns: '/run/r/tunnels',
    tag: 'abcdef',
    index: 2,
    peers: [],
    generation: 7,
    dataPathPort: 4789,
    mtu: 1440,
    found: [],
    retired: new Map(),
    nowMs: 1_000,
    ...more,
  });
const devices = (p: ReturnType<typeof plan>) => p.spec.devices.map((d) => d.name);
const route = (p: ReturnType<typeof plan>) => p.spec.routes[0]?.device;

describe('the tunnels of encrypted networks', () => {
  it('begin with a device of the generation that the managers want', () => {
    const p = plan({});
    assert.deepEqual(devices(p), ['swgabcdef-7']);
    assert.deepEqual(p.announced, [7]);
    assert.equal(p.spec.address, '169.254.0.2');
  });

  it('begin with the first generation where the managers have said nothing yet', () => {
    assert.deepEqual(devices(plan({ generation: 0 })), ['swgabcdef-1']);
  });

  it('go on with what is there after a restart, before the managers have spoken', () => {
    assert.deepEqual(devices(plan({ generation: 0, found: [found(7)] })), ['swgabcdef-7']);
  });

  it('have no route to a peer that has no key: nothing leaves in clear', () => {
    assert.deepEqual(plan({ peers: [peer()] }).spec.routes, []);
  });

  it('lead to a peer with its key, its address and nothing else', () => {
    const p = plan({ peers: [peer(keyOf(7))] });
    const [only] = p.spec.devices[0]?.peers ?? [];
    assert.deepEqual(only, {
      publicKey: 'b7',
      endpoint: { address: '192.0.2.2', port: 4791 },
      address: '169.254.0.3/32',
      keepaliveS: 25,
    });
    assert.deepEqual(p.spec.routes, [{ destination: '169.254.0.3/32', device: 'swgabcdef-7' }]);
  });

  it('keep to the old device until the new one has been used with the peer', () => {
    const both = [peer(keyOf(6), keyOf(7))];
    const begun = plan({ peers: both, found: [found(6, 'b6'), found(7)] });
    assert.deepEqual(devices(begun), ['swgabcdef-7', 'swgabcdef-6']);
    assert.equal(route(begun), 'swgabcdef-6');
    assert.deepEqual(begun.announced, [7, 6]);
    const done = plan({ peers: both, found: [found(6, 'b6'), found(7, 'b7')] });
    assert.equal(route(done), 'swgabcdef-7');
    assert.deepEqual(done.announced, [7], 'the old one is withdrawn');
    assert.deepEqual(devices(done), ['swgabcdef-7', 'swgabcdef-6'], 'and still takes what is under way');
  });

  it('use the old key of a peer that has no new one yet', () => {
    const p = plan({ peers: [peer(keyOf(6))], found: [found(6, 'b6'), found(7)] });
    assert.equal(route(p), 'swgabcdef-6');
  });

  it('drop the old device a while after it was of use', () => {
    const all = { peers: [peer(keyOf(7))], found: [found(6), found(7, 'b7')] };
    const first = plan({ ...all, nowMs: 1_000 });
    const soon = plan({ ...all, retired: first.retired, nowMs: 1_000 + RETIREMENT_MS - 1 });
    assert.deepEqual(devices(soon), ['swgabcdef-7', 'swgabcdef-6']);
    const late = plan({ ...all, retired: soon.retired, nowMs: 1_000 + RETIREMENT_MS });
    assert.deepEqual(devices(late), ['swgabcdef-7']);
  });

  it('drop what is older than the generation before at once, used or not', () => {
    const p = plan({ generation: 8, peers: [peer(keyOf(6))], found: [found(6, 'b6'), found(7, 'b7')] });
    assert.deepEqual(devices(p), ['swgabcdef-8', 'swgabcdef-7']);
  });

  it('are seen to by one of two nodes until both have talked', () => {
    const both = [peer(keyOf(6), keyOf(7))];
    assert.deepEqual(plan({ peers: both, found: [found(6), found(7)] }).unheard, ['b7']);
    assert.deepEqual(plan({ peers: both, found: [found(6), found(7)], index: 4 }).unheard, [], 'it is the other');
    assert.deepEqual(plan({ peers: both, found: [found(7, 'b7')] }).unheard, []);
    assert.deepEqual(plan({ peers: both, found: [found(6, 'b6'), found(7)] }).unheard, [], 'the old key will do');
    assert.deepEqual(plan({ peers: [peer()], found: [found(7)] }).unheard, []);
  });

  it('go back with the managers of a swarm that comes from a backup', () => {
    const p = plan({ generation: 5, peers: [peer(keyOf(5))], found: [found(6), found(7)] });
    assert.deepEqual([devices(p), p.announced, route(p)], [['swgabcdef-5'], [5], 'swgabcdef-5']);
  });

  it('have different ports in neighbouring generations', () => {
    const p = plan({ peers: [peer(keyOf(6))], found: [found(6, 'b6')] });
    assert.equal(new Set(p.spec.devices.map((d) => d.port)).size, 2);
  });
});
