/** Networks of the swarm that each node makes for itself, with addresses of its own (`--scope swarm --config-from`). */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import {
  curl,
  inContainer,
  inNetworkOf,
  outsidePid,
  parseVisit,
  pidOf,
  resolveIn,
  visitUrl,
} from './network-probes.js';
import { failed, newLab, ok } from './testing.js';

const BUSYBOX = ['registry:5000/busybox', 'sleep', '100000'] as const;
const WHOAMI = 'registry:5000/whoami';
const NODES = ['m1', 'w1', 'w2'] as const;
/** Each node hands out its own part of the wire; w2 has been forgotten. */
const RANGES = { m1: '10.210.0.64/28', w1: '10.210.0.80/28' } as const;

describe('networks of the swarm that each node makes for itself', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    for (const [node, range] of Object.entries(RANGES)) {
      const wire = ['--subnet', '10.210.0.0/24', '--gateway', '10.210.0.2', '--ip-range', range, '-o', 'parent=eth0'];
      ok(await lab.docker(node, 'network', 'create', '--config-only', ...wire, 'eth'));
    }
  });
  after(() => lab.down());

  const tasks = async (service: string, format: string) =>
    ok(await lab.docker('m1', 'service', 'ps', '--no-trunc', '--format', format, service))
      .trim()
      .split('\n');
  const running = (service: string, count: number) =>
    waitFor(`${count} tasks of ${service} run`, 30_000, async () => {
      const states = await tasks(service, '{{.CurrentState}}');
      return states.filter((s) => s.startsWith('Running')).length === count;
    });
  const containerOf = async (node: string, service: string) =>
    ok(
      await lab.docker(
        node,
        'ps',
        '--format',
        '{{.Names}}',
        '--filter',
        `label=com.docker.swarm.service.name=${service}`,
      ),
    ).trim();
  const addressOf = async (node: string, container: string, network: string) =>
    ok(
      await lab.docker(
        node,
        'inspect',
        container,
        '-f',
        `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`,
      ),
    ).trim();
  const reaches = async (node: string, from: string, to: string) =>
    (await inContainer(lab, node, from, ...curl(visitUrl(to)))).code === 0;

  it('have addresses on the wire where each node hands out its own, and say which node has none', async () => {
    const wished = ['-d', 'macvlan', '--scope', 'swarm', '--config-from', 'eth', '--attachable', 'wire'];
    ok(await lab.docker('m1', 'network', 'create', ...wished));
    assert.match(ok(await lab.docker('m1', 'network', 'ls')), /wire\s+macvlan\s+swarm/);
    assert.doesNotMatch(ok(await lab.docker('w1', 'network', 'ls')), /wire/, 'nobody is on it there');
    const shown = ok(
      await lab.docker('m1', 'network', 'inspect', 'wire', '-f', '{{.ConfigFrom.Network}} {{len .IPAM.Config}}'),
    );
    assert.equal(shown.trim(), 'eth 0');
    const service = ['--mode', 'global', '--restart-delay', '1s', '--network', 'wire', '--name', 'onwire', WHOAMI];
    ok(await lab.docker('m1', 'service', 'create', '-d', ...service));
    await running('onwire', 2);
    const why = await waitFor('the node without settings says so', 20_000, async () => {
      const all = await tasks('onwire', '{{.Node}} {{.Error}}');
      return all.find((t) => t.startsWith('w2 ') && t.includes('eth'));
    });
    assert.match(why, /configuration network "eth" does not exist/);
    assert.match(ok(await lab.docker('w1', 'network', 'ls')), /wire\s+macvlan\s+swarm/);
    const vips = '{{len .Endpoint.VirtualIPs}}';
    assert.equal(ok(await lab.docker('m1', 'service', 'inspect', 'onwire', '-f', vips)).trim(), '0');

    const [mine = '', other = ''] = [await containerOf('m1', 'onwire'), await containerOf('w1', 'onwire')];
    const [here, there] = [await addressOf('m1', mine, 'wire'), await addressOf('w1', other, 'wire')];
    assert.deepEqual([here, there], ['10.210.0.64', '10.210.0.80']);
    for (const address of [here, there]) {
      const visit = await waitFor(`${address} is reached from outside`, 10_000, async () => {
        const r = await inNetworkOf(outsidePid(lab), ...curl(visitUrl(address)));
        return r.code === 0 ? r : undefined;
      });
      assert.equal(parseVisit(visit).client, '10.210.0.2');
    }
    assert.deepEqual(await resolveIn(await pidOf(lab, 'm1', mine), 'onwire'), [here], 'the tasks of its own node');
    assert.match(ok(await lab.docker('m1', 'network', 'inspect', 'wire')), new RegExp(`"IPv4Address": "${here}/24"`));
  });

  it('take in containers that were run by hand, and survive the daemon', async () => {
    ok(await lab.docker('w1', 'run', '-d', '--name', 'byhand', '--network', 'wire', ...BUSYBOX));
    assert.equal(await addressOf('w1', 'byhand', 'wire'), '10.210.0.81');
    assert.ok(await reaches('w1', 'byhand', '10.210.0.64'), 'a task of another node');
    assert.match(
      failed(await lab.docker('w2', 'run', '-d', '--name', 'lost', '--network', 'wire', ...BUSYBOX), 125),
      /configuration network "eth" does not exist/,
    );
    ok(await lab.docker('w2', 'rm', 'lost'));
    await lab.kill('w1');
    await lab.start('w1');
    assert.ok(await reaches('w1', 'byhand', '10.210.0.64'));
    assert.deepEqual(await resolveIn(await pidOf(lab, 'w1', 'byhand'), 'onwire'), ['10.210.0.80']);
    ok(await lab.docker('w1', 'run', '-d', '--name', 'later', '--network', 'wire', ...BUSYBOX));
    assert.equal(await addressOf('w1', 'later', 'wire'), '10.210.0.82', 'what was given out before is known');
    ok(await lab.docker('w1', 'rm', '-f', 'later'));
    assert.match(failed(await lab.docker('w1', 'network', 'rm', 'eth')), /configuration network "eth" is in use/);
  });

  it('are gone with their last container, and their names are free', async () => {
    assert.match(failed(await lab.docker('m1', 'network', 'rm', 'wire')), /in use by service onwire/);
    ok(await lab.docker('m1', 'service', 'rm', 'onwire'));
    await waitFor('the container keeps it', 20_000, async () =>
      /in use by container byhand/.test((await lab.docker('m1', 'network', 'rm', 'wire')).stderr),
    );
    ok(await lab.docker('w1', 'rm', '-f', 'byhand'));
    await waitFor('the network can be removed', 10_000, async () => {
      return (await lab.docker('m1', 'network', 'rm', 'wire')).code === 0;
    });
    for (const node of Object.keys(RANGES)) ok(await lab.docker(node, 'network', 'rm', 'eth'));
    for (const node of NODES) assert.doesNotMatch(ok(await lab.docker(node, 'network', 'ls')), /wire|\beth\b/);
  });

  it('are bridges of each node as well, with ports of the mesh beside them', async () => {
    for (const node of NODES) {
      ok(await lab.docker(node, 'network', 'create', '--config-only', '--subnet', '172.29.0.0/24', 'same'));
    }
    ok(await lab.docker('m1', 'network', 'create', '-d', 'bridge', '--scope', 'swarm', '--config-from', 'same', 'pit'));
    const service = ['--mode', 'global', '--network', 'pit', '-p', '8099:80', '--name', 'inpit', WHOAMI];
    ok(await lab.docker('m1', 'service', 'create', '-d', ...service));
    await running('inpit', 3);
    for (const node of NODES) {
      assert.match(await addressOf(node, await containerOf(node, 'inpit'), 'pit'), /^172\.29\.0\.\d+$/);
      const address = ok(await lab.docker('m1', 'node', 'inspect', node, '-f', '{{.Status.Addr}}')).trim();
      await waitFor(`${node} answers on the port`, 10_000, async () => {
        return (await inNetworkOf(outsidePid(lab), ...curl(visitUrl(address, 8099)))).code === 0;
      });
    }
    ok(await lab.docker('m1', 'service', 'rm', 'inpit'));
    await waitFor('the network can be removed', 20_000, async () => {
      return (await lab.docker('m1', 'network', 'rm', 'pit')).code === 0;
    });
  });
});
