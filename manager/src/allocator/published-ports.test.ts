import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import {
  Cluster,
  Endpoint,
  EndpointSpec,
  ManagerStatus,
  Node,
  PortConfig,
  PortProtocol,
  PublishMode,
  Service,
  ServiceSpec,
} from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { portKey } from '../store/tables.js';
import { assignPorts as assign } from './published-ports.js';
import { reservedPorts } from './reserved-ports.js';

const port = (p: Partial<PortConfig>) => PortConfig.create({ targetPort: 80, ...p });
const spec = (...ports: readonly PortConfig[]) => ServiceSpec.create({ endpoint: EndpointSpec.create({ ports }) });
const service = (name: string, ...ports: readonly PortConfig[]) =>
  Service.create({
    id: `id-${name}`,
    spec: ServiceSpec.create({ annotations: { name, labels: {} } }),
    endpoint: Endpoint.create({ ports }),
  });
const assignPorts = (wanted: ServiceSpec, previous: readonly PortConfig[], others: readonly Service[]) =>
  assign(wanted, previous, (p) => others.filter((s) => s.endpoint?.ports.some((q) => portKey(q) === portKey(p))));
const published = (ports: readonly PortConfig[]) => ports.map((p) => p.publishedPort);

describe('published ports', () => {
  it('are chosen from 30000 on, each once, by protocol', () => {
    const others = [service('a', port({ publishedPort: 30000 }))];
    const udp = port({ protocol: PortProtocol.UDP });
    assert.deepEqual(
      published(assignPorts(spec(port({}), port({ targetPort: 81 }), udp), [], others)),
      [30001, 30002, 30000],
    );
  });

  it('stay with their target as long as it is published', () => {
    const before = assignPorts(spec(port({})), [], [service('a', port({ publishedPort: 30000 }))]);
    assert.deepEqual(published(assignPorts(spec(port({ targetPort: 443 }), port({})), before, [])), [30000, 30001]);
  });

  it('are refused when another service has them, by its name', () => {
    assert.throws(
      () => assignPorts(spec(port({ publishedPort: 8080 })), [], [service('web', port({ publishedPort: 8080 }))]),
      (e) =>
        isSwarmtsError(e, 'invalid-argument') && /'8080' is already in use by service 'web' \(id-web\)/.test(e.message),
    );
  });

  it('in host mode are the nodes’ business', () => {
    const host = port({ publishedPort: 8080, publishMode: PublishMode.HOST });
    assert.deepEqual(published(assignPorts(spec(host), [], [service('web', host)])), [8080]);
    assert.deepEqual(published(assignPorts(spec({ ...host, publishedPort: 0 }), [], [])), [0]);
  });

  it('are on every node or on single ones, not both', () => {
    const host = port({ publishedPort: 30000, publishMode: PublishMode.HOST });
    const everywhere = port({ publishedPort: 30000 });
    assert.throws(
      () => assignPorts(spec(host), [], [service('web', everywhere)]),
      /in use by service 'web' .* as an ingress port/,
    );
    assert.throws(() => assignPorts(spec(everywhere), [], [service('web', host)]), /as a host-published port/);
    assert.deepEqual(published(assignPorts(spec(port({})), [], [service('web', host)])), [30001]);
    assert.deepEqual(published(assignPorts(spec(host, port({ targetPort: 81 })), [], [])), [30000, 30001]);
  });

  it('are none that the swarm itself needs', async () => {
    const store = localStore(() => 0);
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', dataPathPort: 30_000 }));
      const managerStatus = ManagerStatus.create({ addr: '[fd00::1]:2400' });
      tx.create('node', Node.create({ id: 'n', managerStatus }));
      tx.create('node', Node.create({ id: 'w' }));
    });
    const needed = (wanted: ServiceSpec) => store.view((tx) => assign(wanted, [], () => [], reservedPorts(tx)));
    const udp = (p: Partial<PortConfig>) => port({ protocol: PortProtocol.UDP, ...p });
    for (const [p, purpose] of [
      [port({ publishedPort: 2400 }), 'its managers'],
      [udp({ publishedPort: 30_000 }), 'its data path'],
      [udp({ publishedPort: 30_002 }), 'its data path'],
    ] as const) {
      const problem = new RegExp(`'${p.publishedPort}' is already in use by the swarm itself, for ${purpose}`);
      assert.throws(
        () => needed(spec(p)),
        (e) => isSwarmtsError(e, 'invalid-argument') && problem.test(e.message),
      );
    }
    const others = [port({ publishedPort: 2377 }), udp({ publishedPort: 2400 }), udp({}), port({})];
    assert.deepEqual(published(needed(spec(...others))), [2377, 2400, 30_003, 30_000]);
    const onNode = port({ publishedPort: 2400, publishMode: PublishMode.HOST });
    assert.deepEqual(published(needed(spec(onNode))), [2400]);
  });

  it('run out with a sentence', () => {
    const all = Array.from({ length: 2768 }, (_, i) => port({ publishedPort: 30000 + i }));
    assert.throws(
      () => assignPorts(spec(port({})), [], [service('greedy', ...all)]),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
  });
});
