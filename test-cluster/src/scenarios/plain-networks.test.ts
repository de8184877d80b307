/** Containers without any service on networks: those that one node has by itself, and attachable ones of the swarm. */
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
  processesOf,
  resolveIn,
  visitUrl,
} from './network-probes.js';
import { failed, newLab, ok } from './testing.js';

const BUSYBOX = ['registry:5000/busybox', 'sleep', '100000'] as const;
const WHOAMI = 'registry:5000/whoami';

describe('plain containers on networks', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 1 });
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--attachable', 'wide'));
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', 'closed'));
  });
  after(() => lab.down());

  const run = async (node: string, name: string, ...more: readonly string[]) =>
    ok(await lab.docker(node, 'run', '-d', '--name', name, ...more));
  const remove = async (node: string, ...names: readonly string[]) => ok(await lab.docker(node, 'rm', '-f', ...names));
  const reaches = async (node: string, from: string, to: string) =>
    (await inContainer(lab, node, from, ...curl(visitUrl(to)))).code === 0;
  const networkId = async (name: string) =>
    ok(await lab.docker('w1', 'network', 'inspect', name, '-f', '{{.Id}}')).trim();
  const addressOn = async (node: string, name: string, network: string) =>
    ok(
      await lab.docker(node, 'inspect', name, '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`),
    ).trim();

  it('find each other by name and alias on a bridge network of their node, and nobody else', async () => {
    ok(await lab.docker('w1', 'network', 'create', '--subnet', '172.28.0.0/24', '--gateway', '172.28.0.254', 'mine'));
    assert.match(ok(await lab.docker('w1', 'network', 'ls')), /mine\s+bridge\s+local/);
    await run('w1', 'web', '--network', 'mine', '--network-alias', 'www', '--ip', '172.28.0.80', WHOAMI);
    await run('w1', 'ask', '--network', 'mine', ...BUSYBOX);
    await run('w1', 'stranger', ...BUSYBOX);
    const pid = await pidOf(lab, 'w1', 'ask');
    assert.deepEqual(await resolveIn(pid, 'web'), ['172.28.0.80']);
    assert.deepEqual(await resolveIn(pid, 'www'), ['172.28.0.80']);
    for (const [from, to] of [
      ['web', 'site'],
      ['site', 'web'],
    ] as const) {
      ok(await lab.docker('w1', 'rename', from, to));
      await waitFor(`${to} is found, and ${from} is not`, 5_000, async () => {
        const [now, before] = [await resolveIn(pid, to), await resolveIn(pid, from)];
        return now.join() === '172.28.0.80' && before.length === 0;
      });
    }
    assert.ok(await reaches('w1', 'ask', '172.28.0.80'));
    assert.ok(!(await reaches('w1', 'stranger', '172.28.0.80')));
    const inspect = ok(
      await lab.docker('w1', 'network', 'inspect', 'mine', '-f', '{{range .Containers}}{{.Name}} {{end}}'),
    );
    assert.deepEqual(inspect.trim().split(' ').sort(), ['ask', 'web']);
  });

  it('reach the world, and are reached through published ports', async () => {
    assert.equal(ok(await inContainer(lab, 'w1', 'ask', ...curl('http://10.210.0.2:5000/v2/'))).trim(), '{}');
    await run('w1', 'open', '--network', 'mine', '-p', '8070:80', WHOAMI);
    const visit = await waitFor('its server has started', 5_000, async () => {
      const r = await inNetworkOf(outsidePid(lab), ...curl(visitUrl('10.210.0.12', 8070)));
      return r.code === 0 ? r : undefined;
    });
    assert.equal(parseVisit(visit).client, '10.210.0.2');
    const gateway = ok(
      await lab.docker('w1', 'network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Gateway}}'),
    );
    assert.match(
      ok(await lab.docker('w1', 'exec', 'stranger', 'ip', 'route')),
      new RegExp(`default via ${gateway.trim()} `),
    );
    await remove('w1', 'open');
  });

  it('are reached through published ports on IPv6 addresses as well, without the daemon too', async () => {
    await run('w1', 'both', '-p', '8070:80', '-p', '[::1]:8071:80', WHOAMI);
    const visible = async (address: string, port = 8070) =>
      (await lab.exec('w1', curl(visitUrl(address, port)))).code === 0;
    const ports = ok(await lab.docker('w1', 'inspect', 'both', '-f', '{{json .NetworkSettings.Ports}}'));
    assert.deepEqual(JSON.parse(ports)['80/tcp'], [
      { HostIp: '0.0.0.0', HostPort: '8070' },
      { HostIp: '::', HostPort: '8070' },
      { HostIp: '::1', HostPort: '8071' },
    ]);
    await waitFor('its server has started', 5_000, async () => (await visible('[::1]', 8071)) || undefined);
    await lab.kill('w1');
    assert.ok((await visible('[::1]')) && (await visible('127.0.0.1')));
    await lab.start('w1');
    const [forwarder] = processesOf(lab, 'w1', 'swarmts-ports');
    assert.ok(forwarder);
    process.kill(forwarder, 'SIGKILL');
    await waitFor('another forwards', 10_000, async () => (await visible('[::1]')) || undefined);
    assert.match(
      failed(await lab.docker('w1', 'run', '-p', '[::1]:8070:80', WHOAMI), 125),
      /cannot publish \[::1\]:8070\/tcp: port is already allocated by container/,
    );
    await remove('w1', 'both');
    assert.ok(!(await visible('[::1]')));
  });

  it('share the network of another container, its names and its address, for as long as that runs', async () => {
    await run('w1', 'guest', '--network', 'container:web', ...BUSYBOX);
    const [host, guest] = [await pidOf(lab, 'w1', 'web'), await pidOf(lab, 'w1', 'guest')];
    const shown = async (pid: number) => ok(await inNetworkOf(pid, 'ip', '-o', 'addr'));
    assert.equal(await shown(guest), await shown(host));
    assert.deepEqual(await resolveIn(guest, 'ask'), [await addressOn('w1', 'ask', 'mine')]);
    assert.match(ok(await lab.docker('w1', 'exec', 'guest', 'cat', '/etc/hosts')), /172\.28\.0\.80/);
    await remove('w1', 'guest');
    assert.match(
      failed(await lab.docker('w1', 'run', '-d', '--network', 'container:web', '-p', '8071:80', WHOAMI), 125),
      /conflicting options: port publishing and the container type network mode/,
    );
    assert.match(
      failed(await lab.docker('w1', 'run', '-d', '--network', 'container:nobody', ...BUSYBOX), 125),
      /No such container: nobody/,
    );
    ok(await lab.docker('w1', 'create', '--name', 'asleep', ...BUSYBOX));
    assert.match(
      failed(await lab.docker('w1', 'run', '-d', '--name', 'late', '--network', 'container:asleep', ...BUSYBOX), 125),
      /cannot join network .*of a non running container/,
    );
    await remove('w1', 'asleep', 'late');
  });

  it('publish all that they expose where they are asked to', async () => {
    await run('w1', 'all', '-P', WHOAMI);
    const published = ok(await lab.docker('w1', 'port', 'all', '80/tcp')).trim();
    const at = Number(/:(\d+)$/m.exec(published)?.[1]);
    assert.ok(at >= 32768, published);
    parseVisit(await inNetworkOf(outsidePid(lab), ...curl(visitUrl('10.210.0.12', at))));
    await remove('w1', 'all');
  });

  it('have addresses of their own on the wire with macvlan, and names among themselves', async () => {
    const wire = ['--subnet', '10.210.0.0/24', '--gateway', '10.210.0.2', '--ip-range', '10.210.0.64/28'];
    ok(await lab.docker('w1', 'network', 'create', '-d', 'macvlan', ...wire, '-o', 'parent=eth0', 'wire'));
    assert.match(ok(await lab.docker('w1', 'network', 'ls')), /wire\s+macvlan\s+local/);
    await run('w1', 'onwire', '--network', 'wire', '--ip', '10.210.0.70', WHOAMI);
    await run('w1', 'onwire2', '--network', 'wire', ...BUSYBOX);
    const visit = await waitFor('it is reached from outside', 10_000, async () => {
      const r = await inNetworkOf(outsidePid(lab), ...curl(visitUrl('10.210.0.70')));
      return r.code === 0 ? r : undefined;
    });
    assert.equal(parseVisit(visit).client, '10.210.0.2');
    assert.match(await addressOn('w1', 'onwire2', 'wire'), /^10\.210\.0\.(6[4-9]|7\d)$/);
    assert.ok(await reaches('w1', 'onwire2', '10.210.0.70'));
    assert.deepEqual(await resolveIn(await pidOf(lab, 'w1', 'onwire2'), 'onwire'), ['10.210.0.70']);
    ok(await lab.docker('w1', 'network', 'disconnect', 'wire', 'onwire2'));
    assert.ok(!(await reaches('w1', 'onwire2', '10.210.0.70')));
    ok(await lab.docker('w1', 'network', 'connect', 'wire', 'onwire2'));
    assert.ok(await reaches('w1', 'onwire2', '10.210.0.70'));
    await lab.kill('w1');
    await lab.start('w1');
    assert.ok(await reaches('w1', 'onwire2', '10.210.0.70'));
    await remove('w1', 'onwire', 'onwire2');
    // The wire has the default route, unless another network goes before it.
    const setting = 'driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1';
    for (const [name, priority, device] of [
      ['wired', 0, 'eth1'],
      ['first', 1, 'gw'],
    ] as const) {
      const apart = `name=apart,gw-priority=${priority},${setting}`;
      if (priority === 0) ok(await lab.docker('w1', 'network', 'create', 'apart'));
      await run('w1', name, '--network', apart, '--network', 'wire', ...BUSYBOX);
      const shown = ok(
        await lab.docker('w1', 'exec', name, 'sh', '-c', 'ip route; cat /proc/sys/net/ipv4/conf/*/log_martians'),
      );
      assert.match(shown, new RegExp(`^default via \\S+ dev ${device} `, 'm'));
      assert.equal(shown.split('\n').filter((line) => line === '1').length, 1, shown);
    }
    await remove('w1', 'wired', 'first');
    ok(await lab.docker('w1', 'network', 'rm', 'wire', 'apart'));
    assert.match(
      failed(await lab.docker('w1', 'network', 'create', '-d', 'macvlan', 'nowhere')),
      /macvlan network nowhere needs a device of the node/,
    );
    ok(await lab.docker('w1', 'network', 'create', '-d', 'macvlan', '-o', 'parent=nothing', 'lost'));
    assert.match(
      failed(await lab.docker('w1', 'run', '-d', '--name', 'lost', '--network', 'lost', ...BUSYBOX), 125),
      /there is no device "nothing" on this node/,
    );
    await remove('w1', 'lost');
    ok(await lab.docker('w1', 'network', 'rm', 'lost'));
    assert.match(
      failed(
        await lab.docker(
          'w1',
          'network',
          'create',
          '-d',
          'macvlan',
          '-o',
          'parent=eth0',
          '-o',
          'macvlan_mode=x',
          'odd',
        ),
      ),
      /unknown macvlan mode "x"/,
    );
  });

  it('are on networks that take their configuration from another one', async () => {
    const wishes = ['--config-only', '--subnet', '172.27.3.0/24', '--label', 'zone=a'];
    ok(await lab.docker('w1', 'network', 'create', ...wishes, 'cfg'));
    ok(await lab.docker('w1', 'network', 'create', '--config-from', 'cfg', 'taken'));
    const format = '{{.ConfigFrom.Network}} {{(index .IPAM.Config 0).Subnet}} {{.Labels.zone}}';
    assert.equal(ok(await lab.docker('w1', 'network', 'inspect', 'taken', '-f', format)).trim(), 'cfg 172.27.3.0/24 a');
    assert.equal(ok(await lab.docker('w1', 'network', 'inspect', 'cfg', '-f', '{{.ConfigOnly}}')).trim(), 'true');
    assert.match(failed(await lab.docker('w1', 'network', 'rm', 'cfg')), /configuration network "cfg" is in use/);
    assert.match(
      failed(await lab.docker('w1', 'run', '-d', '--name', 'none', '--network', 'cfg', ...BUSYBOX), 125),
      /is a configuration network/,
    );
    await remove('w1', 'none');
    ok(await lab.docker('w1', 'network', 'rm', 'taken', 'cfg'));
  });

  it('get addresses of a range of the subnet, and none that is reserved', async () => {
    const wish = ['--subnet', '172.26.0.0/24', '--ip-range', '172.26.0.64/29', '--aux-address', 'printer=172.26.0.65'];
    ok(await lab.docker('w1', 'network', 'create', ...wish, '--ipv6', 'narrow'));
    await run('w1', 'wide1', '--network', 'narrow', ...BUSYBOX);
    await run('w1', 'wide2', '--network', 'narrow', '--ip', '172.26.0.200', WHOAMI);
    assert.equal(await addressOn('w1', 'wide1', 'narrow'), '172.26.0.66', 'behind gateway and printer');
    assert.ok(await reaches('w1', 'wide1', '172.26.0.200'));
    const config = ok(await lab.docker('w1', 'network', 'inspect', 'narrow', '-f', '{{json .IPAM.Config}}'));
    assert.match(config, /"IPRange":"172\.26\.0\.64\/29","Gateway":"172\.26\.0\.64"/);
    const [six = ''] = await resolveIn(await pidOf(lab, 'w1', 'wide1'), 'wide2', 'AAAA');
    assert.match(six, /^fd5a:7274:/);
    assert.ok(await reaches('w1', 'wide1', `[${six}]`));
    for (const [flags, why] of [
      [['--subnet', '172.26.0.0/25'], /Pool overlaps with other one on this address space/],
      [['--subnet', '172.25.0.0/24', '--subnet', '172.24.0.0/24'], /bridge driver doesn't support multiple subnets/],
      [['--subnet', '172.25.0.0/24', '--ip-range', '172.25.0.0/16'], /CIDR block is bigger than its parent subnet/],
    ] as const) {
      assert.match(failed(await lab.docker('w1', 'network', 'create', ...flags, 'clash')), why);
    }
    await remove('w1', 'wide1', 'wide2');
    ok(await lab.docker('w1', 'network', 'rm', 'narrow'));
  });

  it('have addresses of IPv6 alone where the network has, and interfaces of the names that are asked for', async () => {
    const prefix = 'com.docker.network.container_iface_prefix=lan';
    ok(await lab.docker('w1', 'network', 'create', '--ipv4=false', '--ipv6', '-o', prefix, 'six'));
    await run('w1', 'six1', '--network', 'six', '-p', '18066:80', WHOAMI);
    const named = 'name=six,driver-opt=com.docker.network.endpoint.ifname=sixth';
    await run('w1', 'six2', '--network', named, ...BUSYBOX);
    assert.equal(await addressOn('w1', 'six1', 'six'), '');
    const two = await pidOf(lab, 'w1', 'six2');
    assert.deepEqual(await resolveIn(two, 'six1'), []);
    const [address = ''] = await resolveIn(two, 'six1', 'AAAA');
    assert.ok(await reaches('w1', 'six2', `[${address}]`));
    const published = await inNetworkOf(outsidePid(lab), ...curl(visitUrl('10.210.0.12', 18066)));
    assert.equal(published.code, 0);
    const links = async (name: string) => ok(await lab.docker('w1', 'exec', name, 'ls', '/sys/class/net')).trim();
    assert.equal(await links('six2'), 'gw\nlo\nsixth');
    assert.match(ok(await lab.docker('w1', 'exec', 'six2', 'cat', '/etc/hosts')), /^fd5a:7274:\S+\t[0-9a-f]{12}$/m);
    ok(await lab.docker('w1', 'network', 'connect', 'six', 'stranger'));
    assert.match(await links('stranger'), /^lan0$/m);
    ok(await lab.docker('w1', 'network', 'disconnect', 'six', 'stranger'));
    await remove('w1', 'six1', 'six2');
    ok(await lab.docker('w1', 'network', 'rm', 'six'));
  });

  it('do not reach each other without icc', async () => {
    const icc = 'com.docker.network.bridge.enable_icc=false';
    ok(await lab.swarmts('w1', 'network', 'create', '-o', icc, 'apart'));
    assert.match(ok(await lab.swarmts('w1', 'network', 'ls')), /apart\s+bridge\s+local/);
    await run('w1', 'one', '--network', 'apart', WHOAMI);
    await run('w1', 'two', '--network', 'apart', ...BUSYBOX);
    const [address = ''] = await resolveIn(await pidOf(lab, 'w1', 'two'), 'one');
    assert.ok(!(await reaches('w1', 'two', address)));
    assert.equal(ok(await inContainer(lab, 'w1', 'two', ...curl('http://10.210.0.2:5000/v2/'))).trim(), '{}');
    await remove('w1', 'one', 'two');
    assert.equal(ok(await lab.swarmts('w1', 'network', 'rm', 'apart')).trim(), 'apart');
  });

  it('are joined and taken off while they run', async () => {
    assert.ok(!(await reaches('w1', 'stranger', '172.28.0.80')));
    ok(await lab.docker('w1', 'network', 'connect', '--alias', 'guest', '--link', 'web:mate', 'mine', 'stranger'));
    assert.ok(await reaches('w1', 'stranger', '172.28.0.80'));
    // It was started without names, and has some now; one of them is its own.
    for (const name of ['www', 'mate']) ok(await lab.docker('w1', 'exec', 'stranger', 'ping', '-c1', '-W1', name));
    assert.deepEqual(await resolveIn(await pidOf(lab, 'w1', 'ask'), 'mate'), []);
    assert.equal((await resolveIn(await pidOf(lab, 'w1', 'ask'), 'guest')).length, 1);
    for (const network of ['mine', await networkId('mine')]) {
      assert.match(failed(await lab.docker('w1', 'network', 'connect', network, 'stranger')), /already/);
    }
    assert.equal((await resolveIn(await pidOf(lab, 'w1', 'ask'), 'guest')).length, 1, 'it is on the network still');
    ok(await lab.docker('w1', 'network', 'disconnect', 'mine', 'stranger'));
    assert.ok(!(await reaches('w1', 'stranger', '172.28.0.80')));
  });

  it('leave and join the bridge while they run, and go on answering', async () => {
    const since = Math.floor(Date.now() / 1000);
    await run('w1', 'mover', '--network', 'mine', '-p', '18099:80', WHOAMI);
    const published = async () =>
      (await inNetworkOf(outsidePid(lab), ...curl(visitUrl('10.210.0.12', 18099)))).code === 0;
    const out = async () => (await inContainer(lab, 'w1', 'mover', ...curl('http://10.210.0.2:5000/v2/'))).code === 0;
    assert.equal(failed(await lab.docker('w1', 'network', 'disconnect', 'bridge', 'mover')).includes('bridge'), true);
    ok(await lab.docker('w1', 'network', 'connect', 'bridge', 'mover'));
    const address = await addressOn('w1', 'mover', 'bridge');
    assert.deepEqual([await reaches('w1', 'stranger', address), await published(), await out()], [true, true, true]);
    assert.match(failed(await lab.docker('w1', 'network', 'connect', 'bridge', 'mover')), /already/);
    await lab.kill('w1');
    await lab.start('w1');
    assert.deepEqual([await reaches('w1', 'stranger', address), await published(), await out()], [true, true, true]);
    ok(await lab.docker('w1', 'network', 'disconnect', 'bridge', 'mover'));
    assert.deepEqual([await reaches('w1', 'stranger', address), await published(), await out()], [false, true, true]);
    ok(await lab.docker('w1', 'network', 'connect', 'bridge', 'mover'));
    ok(await lab.docker('w1', 'restart', '-t', '0', 'mover'));
    const again = await addressOn('w1', 'mover', 'bridge');
    assert.deepEqual([await reaches('w1', 'stranger', again), await published()], [true, true]);
    const network = ok(
      await lab.docker(
        'w1',
        'network',
        'inspect',
        'bridge',
        '-f',
        '{{range .Containers}}{{.Name}}={{.EndpointID}} {{end}}',
      ),
    );
    assert.match(network, /mover=\S+ /);
    await remove('w1', 'mover');
    const events = ok(
      await lab.docker(
        ...(['w1', 'events', '--since', String(since), '--until', String(Math.ceil(Date.now() / 1000))] as const),
        ...([
          '-f',
          'type=network',
          '--format',
          '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}',
        ] as const),
      ),
    );
    // Those before the daemon was killed are gone with it.
    assert.deepEqual(events.trim().split('\n'), [
      'disconnect bridge bridge',
      'connect bridge bridge',
      ...['disconnect bridge bridge', 'disconnect mine bridge', 'connect bridge bridge', 'connect mine bridge'],
      ...['disconnect bridge bridge', 'disconnect mine bridge'],
    ]);
  });

  it('have a MAC address of their own on the bridge where they ask for one', async () => {
    const mac = '02:00:00:00:00:07';
    ok(await lab.swarmts('w1', 'run', '-d', '--name', 'mac', '--mac-address', mac, ...BUSYBOX));
    const shown = await lab.docker('w1', 'exec', 'mac', 'cat', '/sys/class/net/eth0/address');
    assert.equal(ok(shown).trim(), mac);
    assert.equal(ok(await lab.docker('w1', 'inspect', 'mac', '-f', '{{.NetworkSettings.MacAddress}}')).trim(), mac);
    await remove('w1', 'mac');
  });

  it('keep their network over a restart of the daemon, and it cannot be removed under them', async () => {
    await lab.kill('w1');
    await lab.start('w1');
    assert.deepEqual(await resolveIn(await pidOf(lab, 'w1', 'ask'), 'www'), ['172.28.0.80']);
    assert.ok(await reaches('w1', 'ask', '172.28.0.80'));
    assert.match(failed(await lab.docker('w1', 'network', 'rm', 'mine')), /has active endpoints/);
    assert.match(
      (await lab.docker('w1', 'run', '-d', '--network', 'mine', '--ip', '172.28.0.80', ...BUSYBOX)).stderr,
      /Address already in use/,
    );
    await remove('w1', 'web', 'ask', 'stranger');
    assert.match(ok(await lab.docker('w1', 'network', 'prune', '-f')), /mine/);
    assert.match(failed(await lab.docker('w1', 'network', 'inspect', 'mine')), /not found/);
  });

  it('meet services and each other on an attachable network of the swarm, from manager and worker', async () => {
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'db', '--network', 'wide', WHOAMI));
    await run('w1', 'far', '--network', 'wide', ...BUSYBOX);
    await run('m1', 'near', '--network', 'wide', '--network-alias', 'n', WHOAMI);
    const pid = await pidOf(lab, 'w1', 'far');
    const [vip = ''] = await resolveIn(pid, 'db');
    assert.ok(await reaches('w1', 'far', vip));
    const near = await waitFor('the other container is known', 10_000, async () => (await resolveIn(pid, 'n'))[0]);
    assert.equal(near, await addressOn('m1', 'near', 'wide'));
    assert.ok(await reaches('w1', 'far', near));
    assert.deepEqual(await resolveIn(pid, 'near'), [near]);
    for (const [from, to] of [
      ['near', 'close'],
      ['close', 'near'],
    ] as const) {
      ok(await lab.docker('m1', 'rename', from, to));
      await waitFor(`${to} is found from another node, and ${from} is not`, 10_000, async () => {
        const [now, before] = [await resolveIn(pid, to), await resolveIn(pid, from)];
        return now.join() === near && before.length === 0;
      });
    }
    assert.deepEqual(await resolveIn(await pidOf(lab, 'm1', 'near'), 'near'), [near]);
    assert.deepEqual(await resolveIn(pid, 'n'), [near], 'its alias stays');
  });

  it('are refused on a network that is not attachable, and on one that does not exist', async () => {
    assert.match(
      (await lab.docker('w1', 'run', '-d', '--name', 'no', '--network', 'closed', ...BUSYBOX)).stderr,
      /not manually attachable/,
    );
    assert.match(
      (await lab.docker('w1', 'run', '-d', '--name', 'no2', '--network', 'nowhere', ...BUSYBOX)).stderr,
      /network nowhere not found/,
    );
    await remove('w1', 'no', 'no2');
  });

  it('keep a swarm network from being removed, and give their address back in the end', async () => {
    ok(await lab.docker('m1', 'service', 'rm', 'db'));
    assert.match(failed(await lab.docker('m1', 'network', 'rm', 'wide')), /in use by container (near|far)/);
    await remove('w1', 'far');
    await remove('m1', 'near');
    await waitFor(
      'the network can go',
      20_000,
      async () => (await lab.docker('m1', 'network', 'rm', 'wide')).code === 0,
    );
  });

  it('are on it no more when their node has left the swarm, and run on', async () => {
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--attachable', 'brief'));
    await run('w1', 'left', '--network', 'brief', ...BUSYBOX);
    ok(await lab.docker('w1', 'swarm', 'leave'));
    const networks = ['inspect', 'left', '-f', '{{.State.Status}} {{json .NetworkSettings.Networks}}'];
    assert.equal(ok(await lab.docker('w1', ...networks)).trim(), 'running {}');
    assert.doesNotMatch(ok(await lab.docker('w1', 'network', 'ls')), /brief/);
    const addresses = await inContainer(lab, 'w1', 'left', 'ip', '-br', 'addr');
    assert.doesNotMatch(ok(addresses), /eth/);
    await remove('w1', 'left');
  });
});
