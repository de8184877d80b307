import assert from 'node:assert/strict';
import { seededRandom } from '@swarmts/lib';
import { EndpointMode } from '@swarmts/proto';
import { endpoint, service, testView } from '../overlay/testing.js';
import { addressOfPointer, linkedNetwork, lookUp } from './lookup.js';
import { RecordType, ResponseCode } from './message.js';
import { namesOf } from './names.js';

const ask = (name: string, type: number = RecordType.A, view = testView()) => {
  const found = lookUp(name, type, [namesOf(view)], seededRandom(1));
  return found && { code: found.code, addresses: found.records.map((r) => r.join('.')).sort() };
};

describe('the names of a network', () => {
  it('give a service’s virtual address, by name, by alias and with the network’s name', () => {
    for (const name of ['web', 'www', 'web.back']) assert.deepEqual(ask(name)?.addresses, ['10.1.0.2'], name);
  });

  it('give the tasks that are ready', () => {
    assert.deepEqual(ask('tasks.web')?.addresses, ['10.1.0.5', '10.1.0.6']);
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
});
