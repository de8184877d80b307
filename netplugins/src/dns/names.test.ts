import assert from 'node:assert/strict';
import { seededRandom } from '@swarmts/lib';
import { EndpointMode } from '@swarmts/proto';
import fc from 'fast-check';
import { endpoint, service, testView } from '../overlay/testing.js';
import { addressOfPointer, linkedNetwork, lookUp } from './lookup.js';
import { RecordType, ResponseCode } from './message.js';
import { changeOfNames, type NetworkNames, namesOf, withChange } from './names.js';

const ask = (name: string, type: number = RecordType.A, view = testView()) => {
  const found = lookUp(name, type, [namesOf(view)], seededRandom(1));
  return found && { code: found.code, addresses: found.records.map((r) => r.join('.')).sort() };
};

describe('the names of a network', () => {
  it('give a service’s virtual address, by name, by alias and with the network’s name', () => {
    for (const name of ['web', 'www', 'web.back']) assert.deepEqual(ask(name)?.addresses, ['10.1.0.2'], name);
  });

  it('give the tasks that are ready', () => {
    for (const name of ['tasks.web', 'tasks.www', 'tasks.www.back']) {
      assert.deepEqual(ask(name)?.addresses, ['10.1.0.5', '10.1.0.6'], name);
    }
    const one = testView({
      endpoints: [endpoint('t1', 'a', '10.1.0.5', { ready: false }), endpoint('t2', 'b', '10.1.0.6')],
    });
    assert.deepEqual(ask('tasks.web', RecordType.A, one)?.addresses, ['10.1.0.6']);
    assert.deepEqual(ask('web.t2', RecordType.A, one)?.addresses, ['10.1.0.6']);
    assert.equal(ask('web.t1', RecordType.A, one), undefined);
  });

  it('give the tasks instead of a virtual address with dnsrr', () => {
    const view = testView({ services: [service({ mode: EndpointMode.DNSRR, virtualIps: [] })] });
    assert.deepEqual(ask('web', RecordType.A, view)?.addresses, ['10.1.0.5', '10.1.0.6']);
  });

  it('are known without an address of the family, or without any', () => {
    assert.deepEqual(ask('web', RecordType.AAAA), { code: ResponseCode.noError, addresses: [] });
    const empty = testView({ endpoints: [], services: [service({ mode: EndpointMode.DNSRR, virtualIps: [] })] });
    assert.deepEqual(ask('web', RecordType.A, empty), { code: ResponseCode.noError, addresses: [] });
  });

  it('of plain containers include their aliases', () => {
    const plain = endpoint('t9', 'a', '10.1.0.9', { serviceId: '', name: 'box', aliases: ['db'] });
    const view = testView({ endpoints: [plain] });
    assert.deepEqual(ask('box', RecordType.A, view)?.addresses, ['10.1.0.9']);
    assert.deepEqual(ask('db', RecordType.A, view)?.addresses, ['10.1.0.9']);
  });

  it('of tasks include those that they give themselves, and take nothing from services', () => {
    const task = endpoint('t1', 'a', '10.1.0.5', { aliases: ['0123456789ab', 'Node-1', 'web', 'www'] });
    const view = testView({ endpoints: [task] });
    assert.deepEqual(ask('0123456789ab', RecordType.A, view)?.addresses, ['10.1.0.5']);
    assert.deepEqual(ask('node-1', RecordType.A, view)?.addresses, ['10.1.0.5']);
    for (const name of ['web', 'www']) assert.deepEqual(ask(name, RecordType.A, view)?.addresses, ['10.1.0.2'], name);
  });

  it('that a container alone has lead to those of the network that it has them on', () => {
    const networks = [namesOf(testView())];
    const links: Record<string, Record<string, string>> = {
      [networks[0]?.id ?? '']: { db: 'web' },
      other: { cache: 'web' },
    };
    const link = linkedNetwork('db', networks, links);
    assert.deepEqual(ask(link?.name ?? '')?.addresses, ['10.1.0.2']);
    assert.equal(link?.network, networks[0]);
    for (const name of ['cache', 'web', 'toString'])
      assert.equal(linkedNetwork(name, networks, links), undefined, name);
  });

  it('are not asked of others when an address lies in our own subnet', () => {
    const pointer = (name: string) => lookUp(name, RecordType.PTR, [namesOf(testView())], seededRandom(1));
    assert.equal(pointer('5.0.1.10.in-addr.arpa')?.records[0]?.includes('t1'), true);
    assert.equal(pointer('99.0.1.10.in-addr.arpa')?.code, ResponseCode.noSuchName);
    assert.equal(pointer('8.8.8.8.in-addr.arpa'), undefined);
  });

  it('of pointers are read for both families', () => {
    assert.equal(addressOfPointer('5.0.1.10.in-addr.arpa'), '10.1.0.5');
    assert.equal(addressOfPointer('256.0.1.10.in-addr.arpa'), undefined);
    assert.equal(addressOfPointer(`${'5.'.padEnd(56, '0.')}0.0.d.f.ip6.arpa`), 'fd00::5');
    assert.equal(addressOfPointer('web'), undefined);
  });

  it('that we do not have are others’ business', () => {
    assert.equal(ask('example.org'), undefined);
    assert.equal(ask('toString'), undefined);
  });

  it('are the same after a change as when they are told anew, whatever they were', () => {
    const word = fc.constantFrom('web', 'tasks.web', 'db', '__proto__', 'toString');
    const address = fc.constantFrom('10.1.0.2', '10.1.0.3', 'fd00::2');
    const names = fc.record({
      name: word,
      names: fc.array(fc.tuple(word, fc.array(address))),
      reverse: fc.array(fc.tuple(address, word)),
    });
    const of = (n: { name: string; names: [string, string[]][]; reverse: [string, string][] }): NetworkNames => ({
      id: 'n1',
      name: n.name,
      subnets: ['10.1.0.0/24'],
      names: new Map(n.names),
      reverse: new Map(n.reverse),
    });
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), (states) => {
        let sent: NetworkNames | undefined;
        let has: NetworkNames | undefined;
        for (const state of states.map(of)) {
          const change = changeOfNames(sent, state);
          // As it goes to the name server.
          if (change) has = withChange(has, JSON.parse(JSON.stringify(change)));
          sent = state;
          assert.deepEqual(has, state);
        }
        assert.equal(sent && changeOfNames(sent, { ...sent }), undefined);
      }),
    );
  });

  it('that change are a few of many', () => {
    const services = Array.from({ length: 1_000 }, (_, i) =>
      service({ serviceId: `s${i}`, name: `s${i}`, aliases: [] }),
    );
    const before = testView({ services, endpoints: [] });
    const after = testView({
      services: [...services.slice(1), service({ serviceId: 's0', name: 'new', aliases: [] })],
      endpoints: [],
    });
    const change = changeOfNames(namesOf(before), namesOf(after));
    assert.deepEqual(change?.names.map(([name]) => name).sort(), ['new', 'tasks.new']);
    assert.deepEqual([...(change?.removedNames ?? [])].sort(), ['s0', 'tasks.s0']);
    assert.equal(namesOf(before), namesOf(before));
  });
});
