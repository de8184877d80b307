/** Ports that a service publishes on every node: who is reached, and whose address arrives. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { startLoad } from './connection-load.js';
import {
  curl,
  inContainer,
  inNetworkOf,
  nodeWith,
  outsidePid,
  parseVisit,
  type Visit,
  visitUrl,
} from './network-probes.js';
import { failed, newLab, ok, untilRunning, untilState } from './testing.js';

const NODES = { m1: '10.210.0.11', w1: '10.210.0.12', w2: '10.210.0.13' } as const;
const IPV6 = { m1: 'fd77::11', w1: 'fd77::12', w2: 'fd77::13' } as const;
const OUTSIDE = '10.210.0.2';
const OUTSIDE_IPV6 = 'fd77::2';
const REFUSED = 7;

interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

describe('the routing mesh', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    const publish = ['--publish', '8080:80', '--publish', 'published=8053,target=8053,protocol=udp'];
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'web', ...publish, 'registry:5000/whoami'));
    await untilRunning(lab, 'm1', 'web', 1);
    const give = ['ip', '-6', 'addr', 'add'];
    for (const node of Object.keys(NODES)) {
      ok(await lab.exec(node, [...give, `${IPV6[node as keyof typeof NODES]}/64`, 'dev', 'eth0', 'nodad']));
    }
    ok(await inNetworkOf(outsidePid(lab), ...give, `${OUTSIDE_IPV6}/64`, 'dev', 'eth0', 'nodad'));
  });
  after(() => lab.down());

  const visit = async (address: string, ...more: readonly string[]): Promise<Visit> =>
    parseVisit(await inNetworkOf(outsidePid(lab), ...curl(visitUrl(address, 8080), ...more)));

  it('shows one VIP, on the ingress network, that no task has', async () => {
    const format = '{{json .Endpoint.VirtualIPs}}';
    const text = ok(await lab.docker('m1', 'service', 'inspect', '--format', format, 'web'));
    const vips = JSON.parse(text) as readonly { readonly NetworkID: string; readonly Addr: string }[];
    const ingress = ok(await lab.docker('m1', 'network', 'inspect', '--format', '{{.Id}}', 'ingress')).trim();
    assert.deepEqual(
      vips.map((v) => v.NetworkID),
      [ingress],
    );
    const [task] = await untilRunning(lab, 'm1', 'web', 1);
    const own = (task?.NetworksAttachments ?? []).flatMap((a) => a.Addresses ?? []);
    assert.ok(!own.includes(vips[0]?.Addr ?? ''), `${own}`);
  });

  it('answers on every node with the address of the client, wherever the task is', async () => {
    const targets = Object.keys(NODES).map((name, i) => ({ name, port: 8081 + i }));
    for (const { name, port } of targets) {
      const options = ['--publish', `${port}:80`, '--constraint', `node.hostname==${name}`];
      ok(await lab.docker('m1', 'service', 'create', '-d', '--name', `on-${name}`, ...options, 'registry:5000/whoami'));
    }
    for (const { name, port } of targets) {
      await untilRunning(lab, 'm1', `on-${name}`, 1);
      for (const address of Object.values(NODES)) {
        const url = curl(visitUrl(address, port));
        const v = await waitFor(`${address} answers for a task on ${name}`, 10_000, async () =>
          parseVisit(await inNetworkOf(outsidePid(lab), ...url)),
        );
        assert.equal(v.client, OUTSIDE, `through ${address} to ${name}`);
      }
    }
    ok(await lab.docker('m1', 'service', 'rm', ...targets.map((t) => `on-${t.name}`)));
  });

  it('shows a node its own address, and answers on its loopback', async () => {
    for (const [node, address] of Object.entries(NODES)) {
      const own = await lab.exec(node, curl(visitUrl(address, 8080)));
      assert.equal(parseVisit(own).client, address);
      assert.notEqual(parseVisit(await lab.exec(node, curl(visitUrl('127.0.0.1', 8080)))).host, '');
      for (const [other, otherAddress] of Object.entries(NODES)) {
        if (other === node) continue;
        assert.equal(parseVisit(await lab.exec(node, curl(visitUrl(otherAddress, 8080)))).client, address);
      }
    }
  });

  it('answers over IPv6, with the address of the client', async () => {
    for (const address of Object.values(IPV6)) {
      const url = curl(visitUrl(`[${address}]`, 8080), '-g');
      assert.equal(parseVisit(await inNetworkOf(outsidePid(lab), ...url)).client, OUTSIDE_IPV6);
    }
    for (const [node, address] of Object.entries(IPV6)) {
      const own = await lab.exec(node, curl(visitUrl(`[${address}]`, 8080), '-g'));
      assert.equal(parseVisit(own).client, address);
    }
  });

  it('answers a task that asks for itself through any node', async () => {
    const node = await nodeWith(lab, 'web.');
    for (const address of Object.values(NODES)) {
      parseVisit(await inContainer(lab, node, 'web.', ...curl(visitUrl(address, 8080))));
    }
  });

  it('keeps connections with equal ports through two nodes apart', async () => {
    // All are connected before the first of them asks.
    const ask = (address: string) =>
      `(sleep 1; printf 'GET /cgi-bin/index.cgi HTTP/1.0\\r\\n\\r\\n'; sleep 1) | busybox nc -p 45678 ${address} 8080`;
    const all = await Promise.all(
      Object.values(NODES).map((address) => inNetworkOf(outsidePid(lab), 'sh', '-c', ask(address))),
    );
    for (const r of all) assert.equal(parseVisit(r).client, OUTSIDE);
  });

  it('carries UDP, with the address of the client', async () => {
    const node = await nodeWith(lab, 'web.');
    const echo = inContainer(lab, node, 'web.', process.execPath, '-e', UDP_ECHO);
    for (const address of [...Object.values(NODES), ...Object.values(IPV6)]) {
      const answer = await waitFor(`UDP through ${address}`, 10_000, async () => {
        const r = await inNetworkOf(outsidePid(lab), process.execPath, '-e', UDP_ASK, address, '8053');
        return r.code === 0 ? r.stdout : undefined;
      });
      assert.equal(answer.trim(), address.includes(':') ? OUTSIDE_IPV6 : OUTSIDE);
    }
    await inContainer(lab, node, 'web.', process.execPath, '-e', UDP_STOP);
    await echo;
  });

  it('keeps to the tasks of the node that was asked, where that is wished for and it has some', async () => {
    const options = ['--mode', 'global', '--publish', 'published=8091,target=80,local=prefer'];
    ok(await lab.swarmts('m1', 'service', 'create', '-q', '--name', 'near', ...options, 'registry:5000/whoami'));
    await untilRunning(lab, 'm1', 'near', 3);
    const hosts = new Set<string>();
    for (const [node, address] of Object.entries(NODES)) {
      const visited = new Set<string>();
      for (let i = 0; i < 8; i++) {
        const url = curl(visitUrl(address, 8091));
        const v = await waitFor(`${node} answers`, 10_000, async () => {
          const r = await inNetworkOf(outsidePid(lab), ...url);
          return r.code === 0 ? parseVisit(r) : undefined;
        });
        visited.add(v.host);
        hosts.add(v.host);
      }
      assert.equal(visited.size, 1, `${node} leads to ${[...visited].join()}`);
    }
    assert.equal(hosts.size, 3, 'each to its own');
    ok(await lab.docker('m1', 'service', 'rm', 'near'));
  });

  it('refuses a port that another service has, by its name, and chooses free ones itself', async () => {
    const create = (name: string, ...more: readonly string[]) =>
      lab.docker('m1', 'service', 'create', '-d', '--name', name, ...more, 'registry:5000/whoami');
    assert.match(failed(await create('second', '-p', '8080:80')), /port '8080' is already in use by service 'web'/);
    ok(await create('second', '-p', '80'));
    const ports = await lab.docker(
      'm1',
      'service',
      'inspect',
      'second',
      '-f',
      '{{(index .Endpoint.Ports 0).PublishedPort}}',
    );
    assert.match(ok(ports).trim(), /^3[0-2]\d{3}$/);
    ok(await lab.docker('m1', 'service', 'rm', 'second'));
  });

  it('refuses no connection while the service is scaled and updated', async () => {
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=6'));
    await untilRunning(lab, 'm1', 'web', 6);
    let going = true;
    const bad: string[] = [];
    let good = 0;
    const load = Promise.all(
      Object.values(NODES).map(async (address) => {
        while (going) {
          const r = await inNetworkOf(outsidePid(lab), ...curl(visitUrl(address, 8080)));
          if (r.code === 0 && r.stdout.includes('Hostname')) good++;
          else bad.push(`${address}: ${r.code}`);
        }
      }),
    );
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=2'));
    await untilRunning(lab, 'm1', 'web', 2);
    const update = ['--update-order', 'start-first', '--env-add', 'ROUND=2'];
    ok(await lab.docker('m1', 'service', 'update', '-q', ...update, 'web'));
    await untilRunning(lab, 'm1', 'web', 2);
    going = false;
    await load;
    assert.deepEqual(bad, [], `${good} were good`);
    assert.ok(good > 20);
  });

  it('refuses no connection while daemons are restarted or killed', async () => {
    const end = startLoad(outsidePid(lab), Object.values(NODES), 8080, 200);
    await lab.restart('w1');
    await lab.kill('m1');
    await lab.start('m1');
    await untilRunning(lab, 'm1', 'web', 2);
    const { good, bad } = await end();
    assert.deepEqual(bad, {}, `${good} were good`);
    assert.ok(good > 200, `${good} connections`);
  });

  it('refuses at once while there is no task', async () => {
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=0'));
    await waitFor('all nodes refuse', 15_000, async () => {
      const all = await Promise.all(
        Object.values(NODES).map((a) => inNetworkOf(outsidePid(lab), ...curl(visitUrl(a, 8080)))),
      );
      return all.every((r) => r.code === REFUSED);
    });
    ok(await lab.docker('m1', 'service', 'scale', '-d', 'web=3'));
    await untilRunning(lab, 'm1', 'web', 3);
  });

  it('leads to no task of a node that is lost', async () => {
    await lab.poweroff('w2');
    await untilState(lab, 'm1', 'w2', 'down');
    // A connection that began before the rules have changed may still have met it.
    await waitFor('nobody is led to it', 5_000, async () => {
      for (let i = 0; i < 20; i++) await visit(NODES.m1);
      return true;
    });
    await lab.start('w2');
    await untilState(lab, 'm1', 'w2', 'ready');
    await waitFor('w2 answers again', 20_000, () => visit(NODES.w2));
  });

  it('is the node’s own when it was published with mode host, and so is docker run -p', async () => {
    const publish = ['--publish', 'mode=host,published=8090,target=80', '--constraint', 'node.hostname==w1'];
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'own', ...publish, 'registry:5000/whoami'));
    await untilRunning(lab, 'm1', 'own', 1);
    const at = (address: string, port: number) => inNetworkOf(outsidePid(lab), ...curl(visitUrl(address, port)));
    // A container that runs listens a moment later.
    const answer = (address: string, port: number) =>
      waitFor('it answers', 10_000, async () => {
        const r = await at(address, port);
        return r.code === 0 ? parseVisit(r) : undefined;
      });
    assert.equal((await answer(NODES.w1, 8090)).client, OUTSIDE);
    assert.notEqual((await at(NODES.w2, 8090)).code, 0);
    ok(await lab.docker('w2', 'run', '-d', '-p', '8091:80', '--name', 'plain', 'registry:5000/whoami'));
    assert.equal((await answer(NODES.w2, 8091)).client, OUTSIDE);
    ok(await lab.docker('w2', 'rm', '-f', 'plain'));
  });

  it('says of a program of the node that its port is a service’s now, in the log and in doctor', async () => {
    const program = await listener('w1', 8095);
    try {
      const publish = ['--publish', '8095:80'];
      ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'over', ...publish, 'registry:5000/whoami'));
      const who = `node (pid ${program.pid})`;
      await waitFor('it is told', 15_000, () => {
        const lines = readFileSync(lab.logFile('w1'), 'utf8').split('\n');
        return lines.some((l) => l.includes('level=warn') && l.includes('8095/tcp') && l.includes(who));
      });
      assert.equal((await publishedPorts('w1')).detail.includes(`8095/tcp goes to service over, not to ${who}`), true);
      assert.equal((await publishedPorts('w2')).ok, true);
    } finally {
      program.kill();
    }
    ok(await lab.docker('m1', 'service', 'rm', 'over'));
    await waitFor('all is well', 10_000, async () => (await publishedPorts('w1')).ok);
  });

  const publishedPorts = async (node: string) => {
    const { Checks } = await api<{ readonly Checks: readonly DoctorCheck[] }>(
      lab.socket(node),
      'GET',
      '/swarmts/v1/doctor',
    );
    return Checks.find((c) => c.name === 'published ports') ?? assert.fail(node);
  };

  /** A program in the node's own network, from when it listens. */
  const listener = async (node: string, port: number): Promise<ChildProcess> => {
    const daemon = lab.nodes.find((n) => n.name === node)?.pid ?? assert.fail(node);
    const script = `require('net').createServer().listen(${port}, () => console.log('listens'))`;
    const child = spawn('nsenter', [`--target=${daemon}`, '--net', '--', process.execPath, '-e', script]);
    await once(child.stdout, 'data');
    return child;
  };

  it('is closed again when the service is gone', async () => {
    ok(await lab.docker('m1', 'service', 'rm', 'web', 'own'));
    await waitFor('nobody answers', 20_000, async () => {
      const all = await Promise.all(
        Object.values(NODES).map((a) => inNetworkOf(outsidePid(lab), ...curl(visitUrl(a, 8080)))),
      );
      return all.every((r) => r.code === REFUSED);
    });
  });
});

/** Answers every datagram with the sender's address, until one says stop. */
const UDP_ECHO = `const s=require('dgram').createSocket('udp6');
s.on('message',(m,f)=>{if(m.toString()==='stop')return s.close();s.send(f.address.replace('::ffff:',''),f.port,f.address)});
s.bind(8053);`;
const UDP_ASK = `const s=require('dgram').createSocket(process.argv[1].includes(':')?'udp6':'udp4');setTimeout(()=>process.exit(1),1000);
s.on('message',(m)=>{console.log(m.toString());s.close();process.exit(0)});s.send('x',Number(process.argv[2]),process.argv[1]);`;
const UDP_STOP = `const s=require('dgram').createSocket('udp4');s.send('stop',8053,'127.0.0.1',()=>s.close());`;
