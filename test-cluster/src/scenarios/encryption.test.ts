/** Encrypted networks between real nodes: what the underlay sees, keys that are renewed under load, and what outlives the daemon. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { curl, inNetworkOf, parseVisit, pidOf, processesOf, resolveIn, visitUrl } from './network-probes.js';
import { newLab, ok, untilRunning } from './testing.js';

const NODES = ['m1', 'w1'] as const;
const RENEWAL_S = 15;
const CAPTURE = '/tmp/swarmts-capture';
const TRIES = 1_000;
const THIEF = 'swgthief';
const KEY_FILE = '/tmp/swarmts-stolen-key';

interface SwarmJson {
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Labels?: Readonly<Record<string, string>> };
}

describe('encrypted networks', () => {
  let lab: Lab;
  let stolenKey = '';
  before(async () => {
    lab = await newLab({ managers: 1, workers: 1 });
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', '--opt', 'encrypted', 'vault'));
    await create('web', '--mode', 'global', '--network', 'vault', 'registry:5000/whoami');
    await untilRunning(lab, 'm1', 'web', 2);
  });
  after(() => lab.down());

  const create = async (name: string, ...more: readonly string[]) =>
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', name, ...more));
  const setPeriod = async (period: string) => {
    const swarm = await api<SwarmJson>(lab.socket('m1'), 'GET', '/swarm');
    const Labels = { ...swarm.Spec.Labels, 'swarmts.network.key-period': period };
    await api(lab.socket('m1'), 'POST', `/swarm/update?version=${swarm.Version.Index}`, { ...swarm.Spec, Labels });
  };
  const tunnels = (node: string) => join('/run/swarmts-lab', lab.name, node, 'routers', 'tunnels');
  const generations = async (node: string) => {
    const links = ok(await lab.exec(node, ['nsenter', `--net=${tunnels(node)}`, 'ip', '-br', 'link']));
    return [...links.matchAll(/^swg\w+-(\d+)/gm)].map((m) => Number(m[1])).sort((a, b) => a - b);
  };
  /** The newest device of a node, whichever WireGuard it is of: its private key, and the peer's public key and endpoint. */
  const deviceOf = async (node: string) => {
    const inside = ['nsenter', `--net=${tunnels(node)}`];
    const names = [...ok(await lab.exec(node, [...inside, 'ip', '-br', 'link'])).matchAll(/^swg\S+/gm)].map(
      (m) => m[0],
    );
    const dump = ok(await lab.exec(node, [...inside, 'wg', 'show', names.at(-1) ?? assert.fail(node), 'dump']));
    const [own = [], peer = []] = dump.split('\n').map((line) => line.split('\t'));
    return { privateKey: own[0] ?? '', peerKey: peer[0] ?? '', peerEndpoint: peer[2] ?? '' };
  };
  /** The address of the task on the other node, as a task on m1 sees it. */
  const farAddress = async () => {
    const pid = await pidOf(lab, 'm1', 'web');
    const own = ok(await inNetworkOf(pid, 'ip', '-o', '-4', 'addr'));
    const all = await resolveIn(pid, 'tasks.web');
    return all.find((a) => !own.includes(` ${a}/`)) ?? assert.fail(all.join());
  };

  it('carry names, virtual addresses and tasks as others do, with room for the tunnel’s headers', async () => {
    const pid = await pidOf(lab, 'm1', 'web');
    const hosts = new Set<string>();
    await waitFor('both tasks answer', 15_000, async () => {
      const r = await inNetworkOf(pid, ...curl(visitUrl((await resolveIn(pid, 'web'))[0] ?? '')));
      if (r.code === 0) hosts.add(parseVisit(r).host);
      return hosts.size === 2;
    });
    assert.match(ok(await inNetworkOf(pid, 'ip', 'link', 'show', 'eth0')), /mtu 1390 /);
  });

  it('show the underlay nothing but the tunnel', async () => {
    const pid = await pidOf(lab, 'm1', 'web');
    const url = visitUrl(await farAddress());
    const capture = lab.exec('m1', ['timeout', '4', 'tcpdump', '-U', '-i', 'eth0', '-w', CAPTURE, 'udp']);
    const { host } = await waitFor('it is captured', 3_500, async () => {
      const visit = parseVisit(await inNetworkOf(pid, ...curl(url)));
      const size = Number((await lab.exec('m1', ['stat', '-c', '%s', CAPTURE])).stdout);
      return size > 2_000 ? visit : undefined;
    });
    await capture;
    const clear = await lab.exec('m1', ['grep', '-c', '-a', '-e', host, '-e', 'RemoteAddr', '-e', 'GET /', CAPTURE]);
    assert.equal(clear.stdout.trim(), '0');
    assert.equal(ok(await lab.exec('m1', ['tcpdump', '-nr', CAPTURE, 'udp port 4789'])), '');
    assert.match(ok(await lab.exec('m1', ['tcpdump', '-nr', CAPTURE, 'udp port 4791'])), /4791 > .*4791/);
  });

  it('renew their keys without a request that fails', async () => {
    stolenKey = (await deviceOf('w1')).privateKey;
    await setPeriod(`${RENEWAL_S}s`);
    const pid = await pidOf(lab, 'm1', 'web');
    const url = visitUrl(await farAddress());
    const [first = 0] = await generations('m1');
    await waitFor('both nodes have changed over', 60_000, async () => {
      parseVisit(await inNetworkOf(pid, ...curl(url)));
      const all = await Promise.all(NODES.map(generations));
      return all.every((g) => g.length > 0 && g.every((x) => x > first));
    });
    await setPeriod('12h');
    // On a machine with much to do the next renewal begins before the one before it has ended.
    await waitFor('both nodes have come to an end', 60_000, async () =>
      (await Promise.all(NODES.map(generations))).every((g) => g.length === 1),
    );
  });

  it('are not opened by an old key, nor by old packets', async () => {
    const { peerKey, peerEndpoint } = await deviceOf('w1');
    const target = await pidOf(lab, 'm1', 'web');
    const rules = `table inet probe { chain in { type filter hook prerouting priority -400; iifname eth0 counter; }; }`;
    ok(await inNetworkOf(target, 'nft', rules));
    const thief = spawn('nsenter', [`--target=${lab.outsidePid}`, '--net', '--', 'wireguard-go', '-f', THIEF]);
    try {
      const outside = (...argv: readonly string[]) => inNetworkOf(lab.outsidePid, ...argv);
      await waitFor('the thief is ready', 5_000, async () => (await outside('wg', 'show', THIEF)).code === 0);
      const peer = [
        'peer',
        peerKey,
        'endpoint',
        peerEndpoint,
        'allowed-ips',
        '169.254.0.0/16',
        'persistent-keepalive',
        '1',
      ];
      writeFileSync(KEY_FILE, stolenKey, { mode: 0o600 });
      ok(await outside('wg', 'set', THIEF, 'private-key', KEY_FILE, ...peer));
      ok(await outside('ip', 'addr', 'add', '169.254.0.200/16', 'dev', THIEF));
      ok(await outside('ip', 'link', 'set', THIEF, 'up'));
      ok(await outside(process.execPath, '-e', SEND, '169.254.0.2', String(TRIES)));
      const replay = [process.execPath, '-e', REPLAY, CAPTURE, '10.210.0.12', peerEndpoint, String(TRIES)];
      assert.equal(ok(await lab.exec('w1', replay)).trim(), String(TRIES));
      const state =
        ok(await outside('wg', 'show', THIEF, 'dump'))
          .split('\n')[1]
          ?.split('\t') ?? [];
      const [handshake, received, sent] = state.slice(4, 7);
      assert.deepEqual([handshake, received], ['0', '0']);
      assert.ok(Number(sent) > 0, 'it did try');
    } finally {
      thief.kill('SIGTERM');
      rmSync(KEY_FILE, { force: true });
    }
    assert.match(ok(await inNetworkOf(target, 'nft', 'list', 'table', 'inet', 'probe')), /counter packets 0 /);
    ok(await inNetworkOf(target, 'nft', 'delete', 'table', 'inet', 'probe'));
    parseVisit(await inNetworkOf(target, ...curl(visitUrl(await farAddress()))));
    ok(await lab.exec('m1', ['rm', CAPTURE]));
  });

  it('refuse a period that is none', async () => {
    await assert.rejects(setPeriod('soon'), /key-period=soon/);
  });

  it('go on without the daemon, and after it is back, on the same processes', async () => {
    const pid = await pidOf(lab, 'm1', 'web');
    const url = visitUrl(await farAddress());
    const before = processesOf(lab, 'w1', 'wireguard-go');
    await lab.kill('w1');
    parseVisit(await inNetworkOf(pid, ...curl(url)));
    await lab.start('w1');
    // The managers hear of the node again meanwhile, and must not take its keys for lost.
    for (let i = 0; i < 20; i++) parseVisit(await inNetworkOf(pid, ...curl(url)));
    await untilRunning(lab, 'm1', 'web', 2);
    parseVisit(await inNetworkOf(pid, ...curl(url)));
    assert.deepEqual(processesOf(lab, 'w1', 'wireguard-go'), before);
  });

  it('mend themselves when their devices are lost', async () => {
    const pid = await pidOf(lab, 'm1', 'web');
    const url = visitUrl(await farAddress());
    const inside = ['nsenter', `--net=${tunnels('w1')}`];
    const device = /^swg\S+/m.exec(ok(await lab.exec('w1', [...inside, 'ip', '-br', 'link'])))?.[0] ?? '';
    ok(await lab.exec('w1', [...inside, 'ip', 'link', 'del', device]));
    await waitFor('it is reached again', 15_000, async () => (await inNetworkOf(pid, ...curl(url))).code === 0);
  });

  it('leave nothing when the last task is gone', async () => {
    ok(await lab.docker('m1', 'service', 'rm', 'web'));
    for (const node of NODES) {
      await waitFor(`no tunnel is left on ${node}`, 20_000, () => {
        const files = readdirSync(join('/run/swarmts-lab', lab.name, node, 'routers'));
        return !files.includes('tunnels') && processesOf(lab, node, 'wireguard-go').length === 0;
      });
    }
  });
});

/** Arguments: address, tries. */
const SEND = `const [,to,tries]=process.argv;const s=require('dgram').createSocket('udp4');let n=0;
const next=()=>{if(n>=Number(tries))return s.close();s.send('x',4789,to,()=>{n++;setImmediate(next)})};next();`;

/** Arguments: capture, source whose packets are sent again, where to, tries. Prints how many it has sent. */
const REPLAY = `const [,file,from,to,tries]=process.argv;const b=require('fs').readFileSync(file);const all=[];
for(let at=24;at<b.length;){const n=b.readUInt32LE(at+8);const p=b.subarray(at+16,at+16+n);at+=16+n;const ip=p.subarray(14);
if([...ip.subarray(12,16)].join('.')===from)all.push(ip.subarray((ip[0]&15)*4+8))}
const [host,port]=to.split(':');const s=require('dgram').createSocket('udp4');let n=0;
const next=()=>{if(n>=Number(tries)||all.length===0){console.log(n);return s.close()}
s.send(all[n%all.length],Number(port),host,()=>{n++;setImmediate(next)})};next();`;
