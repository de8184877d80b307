/** Services on an overlay network over several nodes: addresses, virtual addresses, names, and what happens when parts are lost. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import {
  curl,
  inContainer,
  inNetworkOf,
  parseVisit,
  pidOf,
  processesOf,
  resolveIn,
  visitUrl,
} from './network-probes.js';
import { failed, newLab, ok, untilRunning, untilState } from './testing.js';

const NODES = ['m1', 'w1', 'w2'] as const;

describe('an overlay network', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    forwardedBefore = await forwards('w2');
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', 'back'));
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--subnet', '10.77.0.0/24', 'other'));
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--internal', 'inner'));
    await create('web', '--replicas', '3', '--network', 'name=back,alias=www', 'registry:5000/whoami');
    // Its process takes no SIGTERM, and a new task of a node waits for the old one to be gone.
    const client = ['--mode', 'global', '--stop-grace-period', '1s', '--network', 'back'];
    await create('client', ...client, 'registry:5000/busybox', 'sleep', '100000');
    await create('far', '--mode', 'global', '--network', 'other', 'registry:5000/busybox', 'sleep', '100000');
    await create('shut', '--mode', 'global', '--network', 'inner', 'registry:5000/busybox', 'sleep', '100000');
  });
  after(() => lab.down());

  const create = async (name: string, ...more: readonly string[]) =>
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', name, ...more));
  const visits = async (node: string, count: number) => {
    const pid = await pidOf(lab, node, 'client');
    const all = await Promise.all(
      Array.from({ length: count }, () => inNetworkOf(pid, ...curl(visitUrl('web'), '--resolve', `web:80:${vip}`))),
    );
    return all.map(parseVisit);
  };
  let vip = '';
  let forwardedBefore = '';
  const forwards = async (node: string) => ok(await lab.exec(node, ['cat', '/proc/sys/net/ipv4/ip_forward']));

  it('leaves the host alone as long as nothing is published', async () => {
    for (const node of NODES) {
      assert.doesNotMatch(ok(await lab.exec(node, ['ip', 'route'])), /10\.0\.0\.0\/16/, node);
    }
  });

  it('has a subnet, a gateway and a VNI, and refuses another one on top of it', async () => {
    const inspect = ok(
      await lab.docker('m1', 'network', 'inspect', 'other', '-f', '{{json .IPAM.Config}} {{.Options}}'),
    );
    assert.match(inspect, /"Subnet":"10\.77\.0\.0\/24","Gateway":"10\.77\.0\.1"/);
    assert.match(inspect, /vxlanid_list:4\d\d\d/);
    const overlap = await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--subnet', '10.77.0.128/25', 'clash');
    assert.match(failed(overlap), /Pool overlaps with other one on this address space/);
    const outside = ['--subnet', '10.78.0.0/24', '--subnet', '10.79.0.0/24', '--aux-address', 'a=10.78.0.1'];
    assert.match(
      failed(await lab.docker('m1', 'network', 'create', '-d', 'overlay', ...outside, 'clash')),
      /failed to allocate secondary ip address \(a:10\.78\.0\.1\): Address already in use/,
    );
    const crooked = ['--subnet', '10.78.0.9/24', '--ip-range', '10.78.0.0/16'];
    assert.match(
      failed(await lab.docker('m1', 'network', 'create', '-d', 'overlay', ...crooked, 'clash')),
      /invalid network config:\n\* invalid subnet 10\.78\.0\.9\/24: it should be 10\.78\.0\.0\/24\n\* invalid ip-range 10\.78\.0\.0\/16: CIDR block is bigger/,
    );
  });

  it('gives tasks what is left of its subnets, ranges and reserved addresses, and they reach each other', async () => {
    const wish = [
      ...['--subnet', '10.78.0.0/24', '--ip-range', '10.78.0.16/29', '--gateway', '10.78.0.254'],
      ...['--aux-address', 'printer=10.78.0.17'],
      ...['--subnet', '10.79.0.0/24', '--ip-range', '10.79.0.16/29', '--gateway', '10.79.0.9'],
    ];
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', ...wish, 'parts'));
    await create('asks', '-d', '--mode', 'global', '--network', 'parts', 'registry:5000/busybox', 'sleep', '100000');
    await create('part', '-d', '--replicas', '8', '--network', 'parts', 'registry:5000/whoami');
    await untilRunning(lab, 'm1', 'asks', 3);
    await untilRunning(lab, 'm1', 'part', 8);
    const pid = await pidOf(lab, 'w1', 'asks');
    const addresses = await waitFor('all are found', 5_000, async () => {
      const found = await resolveIn(pid, 'tasks.part');
      return found.length === 8 ? found : undefined;
    });
    const all = [...addresses, ...(await resolveIn(pid, 'tasks.asks'))];
    const first = all.filter((a) => /^10\.78\.0\.(16|18|19|2[0-3])$/.test(a));
    const second = all.filter((a) => /^10\.79\.0\.(1[6-9]|2[0-3])$/.test(a));
    // Whichever is the first one to the client, it does not have enough for all.
    assert.ok(first.length > 0 && second.length > 0, all.join());
    assert.equal(first.length + second.length, all.length, all.join());
    for (const a of addresses) parseVisit(await inNetworkOf(pid, ...curl(visitUrl(a))));
    const inspect = ok(await lab.docker('m1', 'network', 'inspect', 'parts', '-f', '{{json .IPAM.Config}}'));
    assert.match(
      inspect,
      /"IPRange":"10\.78\.0\.16\/29","Gateway":"10\.78\.0\.254","AuxiliaryAddresses":\{"printer":"10\.78\.0\.17"\}/,
    );
    ok(await lab.docker('m1', 'service', 'rm', 'part', 'asks'));
  });

  it('gives every task an address that all others reach directly', async () => {
    const pids = await Promise.all(NODES.map((n) => pidOf(lab, n, 'client')));
    const addresses = await resolveIn(pids[0] ?? 0, 'tasks.client');
    assert.equal(addresses.length, 3);
    for (const pid of pids)
      for (const a of addresses) ok(await inNetworkOf(pid, 'busybox', 'ping', '-c', '1', '-W', '3', a));
  });

  it('finds services by name and alias, and tasks by theirs, on every node', async () => {
    for (const node of NODES) {
      const pid = await pidOf(lab, node, 'client');
      [vip = ''] = await resolveIn(pid, 'web');
      assert.match(vip, /^10\./);
      assert.deepEqual(await resolveIn(pid, 'www'), [vip]);
      assert.deepEqual(await resolveIn(pid, 'WEB.back'), [vip]);
      const tasks = await resolveIn(pid, 'tasks.web');
      assert.equal(tasks.length, 3);
      assert.deepEqual(await resolveIn(pid, 'tasks.web', '+tcp'), tasks);
      assert.deepEqual(await resolveIn(pid, 'web', 'AAAA'), []);
      assert.match((await resolveIn(pid, '-x', tasks[0] ?? '')).join(), /^web\.\d\.\w+\.back\.$/);
      // What a program believes to be called is what others find it by.
      const { host } = parseVisit(await inNetworkOf(pid, ...curl(visitUrl(tasks[0] ?? ''))));
      assert.deepEqual(await resolveIn(pid, host), tasks.slice(0, 1));
    }
  });

  it('is told with its nodes, services and tasks by every node that takes part', async () => {
    const shown = '{{range .Peers}}{{.IP}} {{end}}{{with index .Services "web"}}{{.VIP}} {{len .Tasks}}{{end}}';
    for (const node of NODES) {
      const told = ok(await lab.docker(node, 'network', 'inspect', '--verbose', 'back', '-f', shown))
        .trim()
        .split(' ');
      assert.deepEqual(told.sort(), ['10.210.0.11', '10.210.0.12', '10.210.0.13', vip, '3'].sort(), node);
    }
  });

  it('spreads connections to the virtual address over all tasks', async () => {
    for (const node of NODES) {
      const hosts = new Set((await visits(node, 24)).map((v) => v.host));
      assert.equal(hosts.size, 3, `${node} reaches all three`);
    }
  });

  it('gives a service’s name its tasks instead of a virtual address, and back, while they run on', async () => {
    const pid = await pidOf(lab, 'w1', 'client');
    const containers = async () =>
      ok(await lab.docker('m1', 'service', 'ps', 'web', '-q', '--no-trunc'))
        .trim()
        .split('\n')
        .sort();
    const endpointOf = async () => ok(await lab.docker('m1', 'service', 'inspect', 'web', '-f', '{{json .Endpoint}}'));
    const update = async (...how: readonly string[]) => lab.docker('m1', 'service', 'update', '-q', ...how, 'web');
    const tasks = (await resolveIn(pid, 'tasks.web')).toSorted();
    const before = await containers();
    assert.equal(tasks.length, 3);

    ok(await update('--endpoint-mode', 'dnsrr'));
    for (const name of ['web', 'www']) {
      await waitFor(
        `${name} is the tasks`,
        10_000,
        async () => (await resolveIn(pid, name)).toSorted().join() === tasks.join(),
      );
    }
    assert.doesNotMatch(await endpointOf(), /VirtualIPs/);
    const toOld = await waitFor('nothing answers at the address', 10_000, async () => {
      const r = await inNetworkOf(pid, ...curl(`http://${vip}/`));
      return r.code === 0 ? undefined : r;
    });
    assert.notEqual(toOld.code, 0);
    for (const address of tasks) parseVisit(await inNetworkOf(pid, ...curl(`http://${address}/`)));
    assert.match(
      failed(await update('--publish-add', '8088:80')),
      /published with ingress mode can't be used with dnsrr/,
    );

    ok(await update('--endpoint-mode', 'vip'));
    await waitFor('the name is one address again', 10_000, async () => {
      const [one = '', ...others] = await resolveIn(pid, 'web');
      if (others.length > 0 || one === '' || tasks.includes(one)) return false;
      vip = one;
      return true;
    });
    assert.match(await endpointOf(), new RegExp(`"VirtualIPs":.*"${vip}/`));
    await waitFor('every task answers at the address', 10_000, async () => {
      return new Set((await visits('w1', 30)).map((v) => v.host)).size === 3;
    });
    assert.deepEqual(await containers(), before, 'no task was replaced');
  });

  it('lets a task reach itself through its own virtual address', async () => {
    for (let i = 0; i < 12; i++) parseVisit(await inContainer(lab, 'w1', 'web', ...curl(visitUrl(vip))));
  });

  it('has the MTU that it was made with', async () => {
    const wishes = ['--opt', 'com.docker.network.driver.mtu=1300'];
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--attachable', ...wishes, 'narrow'));
    const run = ['run', '-d', '--name', 'small', '--network', 'narrow', 'registry:5000/busybox', 'sleep', '100000'];
    ok(await lab.docker('m1', ...run));
    assert.match(ok(await inContainer(lab, 'm1', 'small', 'ip', 'link', 'show', 'eth0')), /mtu 1300 /);
    ok(await lab.docker('m1', 'rm', '-f', 'small'));
    await waitFor('it can go', 10_000, async () => (await lab.docker('m1', 'network', 'rm', 'narrow')).code === 0);
  });

  it('lets containers out, unless the network is internal', async () => {
    const registry = curl('http://10.210.0.2:5000/v2/');
    assert.equal(ok(await inContainer(lab, 'w1', 'client', ...registry)).trim(), '{}');
    assert.notEqual((await inContainer(lab, 'w1', 'shut', ...registry)).code, 0);
    const pid = await pidOf(lab, 'w1', 'shut');
    const asked = await inNetworkOf(pid, 'dig', '+time=2', '+tries=1', '@127.0.0.11', 'registry.example');
    assert.match(asked.stdout, /status: NXDOMAIN/, 'nothing is asked outside');
  });

  it('keeps networks apart', async () => {
    const pid = await pidOf(lab, 'w1', 'client');
    const [inside = ''] = await resolveIn(pid, 'tasks.web');
    const stranger = await pidOf(lab, 'w1', 'far');
    assert.deepEqual(await resolveIn(stranger, 'web'), []);
    for (const address of [inside, vip]) {
      const r = await inNetworkOf(stranger, ...curl(visitUrl(address), '-o', '/dev/null'));
      assert.notEqual(r.code, 0, `${address} was reached from another network`);
    }
  });

  it('rejects at once when a service has no task, and goes on when it has', async () => {
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=0'));
    await untilRunning(lab, 'm1', 'web', 0);
    await waitFor('the connection is refused', 10_000, async () => {
      const r = await inContainer(lab, 'w1', 'client', ...curl(visitUrl(vip)));
      return r.code === CURL_REFUSED;
    });
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=3'));
    await untilRunning(lab, 'm1', 'web', 3);
    await waitFor('it answers again', 10_000, async () => (await visits('w2', 3)).length === 3);
  });

  it('mends within five seconds what somebody deletes or flushes', async () => {
    const routers = join('/run/swarmts-lab', lab.name, 'w1', 'routers');
    for (const name of readdirSync(routers)) {
      const inside = ['nsenter', `--net=${join(routers, name)}`];
      ok(await lab.exec('w1', [...inside, 'nft', 'flush', 'ruleset']));
      ok(await lab.exec('w1', [...inside, 'ip', 'route', 'flush', 'table', 'main']));
      ok(await lab.exec('w1', [...inside, 'ip', 'link', 'del', 'vx0']));
    }
    ok(await lab.exec('w1', ['nft', 'flush', 'ruleset']));
    const begin = performance.now();
    await waitFor(
      'all three tasks are reached',
      20_000,
      async () => new Set((await visits('w1', 12)).map((v) => v.host)).size === 3,
    );
    assert.ok(performance.now() - begin < 6_000, 'in time');
  });

  it('gives back a leg that somebody deletes', async () => {
    const pid = await pidOf(lab, 'w1', 'client');
    ok(await inNetworkOf(pid, 'ip', 'link', 'del', 'eth0'));
    await waitFor('the container is back', 20_000, async () => (await visits('w1', 3)).length === 3);
  });

  it('survives the death of the helper and of the name server', async () => {
    for (const name of ['swarmts-helper', 'swarmts-dns']) {
      const [victim] = processesOf(lab, 'w1', name);
      assert.ok(victim, name);
      process.kill(victim, 'SIGKILL');
      const pid = await pidOf(lab, 'w1', 'client');
      await waitFor(
        `names are found without the old ${name}`,
        10_000,
        async () => (await resolveIn(pid, 'web'))[0] === vip,
      );
      await waitFor(`there is another ${name}`, 10_000, () => {
        const [other] = processesOf(lab, 'w1', name);
        return other !== undefined && other !== victim;
      });
    }
    assert.equal((await visits('w1', 3)).length, 3);
  });

  it('finds everything again after a node was cut off and is back', async () => {
    lab.isolate('w2');
    await untilState(lab, 'm1', 'w2', 'down');
    await waitFor('no task of the lost node is left in names', 5_000, async () => {
      const pid = await pidOf(lab, 'w1', 'client');
      return (await resolveIn(pid, 'tasks.client')).length === 2;
    });
    lab.heal();
    await untilState(lab, 'm1', 'w2', 'ready');
    await waitFor('all three are found and reached from everywhere', 10_000, async () => {
      for (const node of NODES) {
        const pid = await pidOf(lab, node, 'client');
        const addresses = await resolveIn(pid, 'tasks.client');
        if (addresses.length !== 3) return false;
        for (const a of addresses) ok(await inNetworkOf(pid, 'busybox', 'ping', '-c', '1', '-W', '1', a));
      }
      return true;
    });
  });

  it('goes on without the daemon, and after it is back', async () => {
    await lab.kill('w1');
    // The daemon does not answer questions about its containers now: by the process of a sleeping container.
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=4'));
    await lab.start('w1');
    await untilRunning(lab, 'm1', 'web', 4);
    const pid = await pidOf(lab, 'w1', 'client');
    assert.deepEqual(await resolveIn(pid, 'web'), [vip]);
    await waitFor('the new task is known', 10_000, async () => (await resolveIn(pid, 'tasks.web')).length === 4);
    assert.equal((await visits('w1', 4)).length, 4);
  });

  it('answers and forwards while the daemon is dead', async () => {
    const pid = await pidOf(lab, 'w2', 'client');
    await lab.kill('w2');
    assert.deepEqual(await resolveIn(pid, 'web'), [vip]);
    parseVisit(await inNetworkOf(pid, ...curl(visitUrl(vip))));
    await lab.start('w2');
  });

  it('carries IPv6 beside IPv4 when asked to, with names and a virtual address', async () => {
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--ipv6', '--subnet', 'fd00:77::/64', 'dual'));
    await create('six', '--mode', 'global', '--network', 'dual', 'registry:5000/whoami');
    const pid = await pidOf(lab, 'w1', 'six');
    const [own6 = ''] = await resolveIn(pid, 'six', 'AAAA');
    assert.match(own6, /^fd00:77::/);
    assert.match((await resolveIn(pid, 'six')).join(), /^10\./);
    const addresses = await resolveIn(pid, 'tasks.six', 'AAAA');
    assert.equal(addresses.length, 3, addresses.join());
    for (const address of addresses) parseVisit(await inNetworkOf(pid, ...curl(visitUrl(`[${address}]`), '-g')));
    const hosts = new Set<string>();
    // They are drawn by chance: one may well not be among the first.
    await waitFor('all three tasks have answered', 10_000, async () => {
      hosts.add(parseVisit(await inNetworkOf(pid, ...curl(visitUrl(`[${own6}]`), '-g'))).host);
      return hosts.size === 3;
    });
    ok(await lab.docker('m1', 'service', 'rm', 'six'));
    await waitFor(
      'the network can go',
      20_000,
      async () => (await lab.docker('m1', 'network', 'rm', 'dual')).code === 0,
    );
  });

  it('leaves nothing on the nodes when it is removed', async () => {
    ok(await lab.docker('m1', 'service', 'rm', 'web', 'client', 'far', 'shut'));
    await waitFor('the routers are gone', 60_000, () =>
      NODES.every((n) => readdirSync(join('/run/swarmts-lab', lab.name, n, 'routers')).length === 1),
    );
    ok(await lab.docker('m1', 'network', 'rm', 'back', 'other', 'inner'));
    for (const node of NODES) {
      await waitFor(`no device is left on ${node}`, 20_000, async () => {
        const links = ok(await lab.exec(node, ['ip', '-br', 'link']));
        return !/^(vx\d|swlg)/m.test(links);
      });
    }
  });

  it('leaves nothing of the swarm on a node that leaves', async () => {
    ok(await lab.docker('w2', 'swarm', 'leave'));
    assert.deepEqual(readdirSync(join('/run/swarmts-lab', lab.name, 'w2', 'routers')), []);
    await waitFor('the device of the mesh is gone', 10_000, async () => {
      const links = ok(await lab.exec('w2', ['ip', '-br', 'link']));
      return !links.includes('swlmesh');
    });
    assert.doesNotMatch(ok(await lab.exec('w2', ['nft', 'list', 'tables'])), /swarmts-mesh/);
    assert.doesNotMatch(ok(await lab.exec('w2', ['ip', 'route'])), /10\.0\.0\.0\/16/);
    assert.equal(await forwards('w2'), forwardedBefore);
  });
});

/** curl's exit code when nobody takes the connection. */
const CURL_REFUSED = 7;
