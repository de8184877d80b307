/** What neighbours and containers may try against the data path: a thousand tries each, none of which arrives. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Lab } from '../lab/lab.js';
import { curl, inNetworkOf, outsidePid, parseVisit, pidOf, resolveIn, visitUrl } from './network-probes.js';
import { newLab, ok, untilRunning } from './testing.js';

const TRIES = 1_000;
const PORT = 9_999;
const W1 = '10.210.0.12';

describe('attacks on the data path', () => {
  let lab: Lab;
  /** Addresses of the two clients on the network, by node. */
  const address = { w1: '', w2: '' };
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', 'back'));
    const create = async (name: string, ...more: readonly string[]) =>
      ok(await lab.docker('m1', 'service', 'create', '-q', '--name', name, ...more));
    await create('client', '--mode', 'global', '--network', 'back', 'registry:5000/busybox', 'sleep', '100000');
    await create('web', '--mode', 'global', '-p', '8080:80', 'registry:5000/whoami');
    await untilRunning(lab, 'm1', 'client', 3);
    for (const node of ['w1', 'w2'] as const) address[node] = await ownAddress(await pidOf(lab, node, 'client'));
  });
  after(() => lab.down());

  const ownAddress = async (pid: number) =>
    /inet (10\.1\.\d+\.\d+)\//.exec(ok(await inNetworkOf(pid, 'ip', 'addr', 'show', 'eth0')))?.[1] ?? assert.fail();

  /** Packets for PORT that arrive in a container while `attack` runs. */
  const arrivals = async (pid: number, attack: () => Promise<unknown>): Promise<number> => {
    const rules = `table inet probe { chain in { type filter hook prerouting priority -400; udp dport ${PORT} counter; }; }`;
    ok(await inNetworkOf(pid, 'nft', rules));
    await attack();
    const listing = ok(await inNetworkOf(pid, 'nft', 'list', 'table', 'inet', 'probe'));
    ok(await inNetworkOf(pid, 'nft', 'delete', 'table', 'inet', 'probe'));
    return Number(/counter packets (\d+)/.exec(listing)?.[1]);
  };

  /** Clear VXLAN frames to w1, for every VNI that there may be, with an inner packet for the client there. */
  const injectFrames = async (fromPid: number) => {
    const routers = join('/run/swarmts-lab', lab.name, 'w1', 'routers');
    for (const file of readdirSync(routers)) {
      const shown = await lab.exec('w1', ['nsenter', `--net=${join(routers, file)}`, 'ip', 'link', 'show', 'vx0']);
      const mac = /link\/ether (\S+)/.exec(ok(shown))?.[1] ?? assert.fail();
      ok(await inNetworkOf(fromPid, process.execPath, '-e', INJECT, W1, address.w2, address.w1, String(TRIES), mac));
    }
  };

  it('frames from a machine that is no member do not get in; those of a member would', async () => {
    const target = await pidOf(lab, 'w1', 'client');
    assert.equal(await arrivals(target, () => injectFrames(outsidePid(lab))), 0);
    // The node would put its own address, which is a member's, in the place of the container's.
    for (const name of ['client', 'web']) {
      const inside = await pidOf(lab, 'w2', name);
      assert.equal(await arrivals(target, () => injectFrames(inside)), 0, `from a container of ${name}`);
    }
    const member = lab.nodes.find((n) => n.name === 'w2')?.pid ?? assert.fail();
    assert.ok((await arrivals(target, () => injectFrames(member))) > 0, 'the frames themselves are good');
  });

  it('a container does not send with another address than its own', async () => {
    const [from, to] = [await pidOf(lab, 'w1', 'client'), await pidOf(lab, 'w2', 'client')];
    const send = (source: string) => inNetworkOf(from, process.execPath, '-e', SEND, source, address.w2, String(TRIES));
    assert.ok((await arrivals(to, () => send(address.w1))) > TRIES / 2, 'with its own it does');
    for (const spoofed of ['10.1.0.250', '192.0.2.1']) {
      ok(await inNetworkOf(from, 'ip', 'addr', 'add', `${spoofed}/32`, 'dev', 'lo'));
      assert.equal(await arrivals(to, () => send(spoofed)), 0, spoofed);
      ok(await inNetworkOf(from, 'ip', 'addr', 'del', `${spoofed}/32`, 'dev', 'lo'));
    }
  });

  it('a container cannot take over the address of another, or of the gateway', async () => {
    const attacker = await pidOf(lab, 'w1', 'web');
    const victim = await pidOf(lab, 'w1', 'client');
    const claims = [address.w1, '10.1.0.1', '10.0.0.1', '172.30.0.1'];
    for (const claimed of claims) {
      for (const iface of ['eth0', 'gw']) {
        await inNetworkOf(attacker, 'busybox', 'arping', '-U', '-c', '3', '-I', iface, claimed);
        await inNetworkOf(attacker, 'busybox', 'arping', '-A', '-c', '3', '-I', iface, claimed);
      }
    }
    ok(await inNetworkOf(victim, 'busybox', 'ping', '-c', '1', '-W', '3', address.w2));
    assert.equal(ok(await inNetworkOf(victim, ...curl('http://10.210.0.2:5000/v2/'))).trim(), '{}');
    parseVisit(await inNetworkOf(outsidePid(lab), ...curl(visitUrl(W1, 8080))));
  });

  it('packets larger than the network carries go nowhere, and change nothing for others', async () => {
    const [from, to] = [await pidOf(lab, 'w1', 'client'), await pidOf(lab, 'w2', 'client')];
    ok(await inNetworkOf(from, 'ip', 'link', 'set', 'eth0', 'mtu', '9000'));
    const send = (bytes: number) =>
      inNetworkOf(from, process.execPath, '-e', SEND, address.w1, address.w2, String(TRIES), String(bytes));
    assert.equal(await arrivals(to, () => send(5_000)), 0);
    assert.ok((await arrivals(to, () => send(1_000))) > TRIES / 2, 'smaller ones do');
    ok(await inNetworkOf(from, 'ip', 'link', 'set', 'eth0', 'mtu', '1450'));
  });

  it('forged answers to a question that was forwarded are not believed', async () => {
    ok(await lab.docker('w1', 'network', 'create', 'mine'));
    const asking = ['run', '-d', '--name', 'asks', '--network', 'mine', '--dns', '10.210.0.2'];
    ok(await lab.docker('w1', ...asking, 'registry:5000/busybox', 'sleep', '100000'));
    const attacker = lab.nodes.find((n) => n.name === 'w2')?.pid ?? assert.fail();
    const server = spawn('nsenter', [`--target=${outsidePid(lab)}`, '--net', '--', process.execPath, '-e', SERVER]);
    try {
      const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
      await lines.next();
      const answer = resolveIn(await pidOf(lab, 'w1', 'asks'), 'bank.example');
      const [port = '', question = ''] = String((await lines.next()).value).split(' ');
      // All that there is to know, but the server's address; the server itself sends the wrong numbers.
      ok(await inNetworkOf(attacker, process.execPath, '-e', FORGE, W1, port, question, String(TRIES)));
      assert.deepEqual(await answer, ['192.0.2.1']);
    } finally {
      server.kill('SIGKILL');
      ok(await lab.docker('w1', 'rm', '-f', 'asks'));
    }
  });

  it('a neighbour of the nodes reaches nothing that is not published, whatever routes it has', async () => {
    const web = await pidOf(lab, 'w1', 'web');
    const inside = [...ok(await inNetworkOf(web, 'ip', '-o', '-4', 'addr')).matchAll(/inet ((?:10|172)\.\S+)\//g)].map(
      (m) => m[1] ?? '',
    );
    assert.ok(inside.length >= 2, inside.join());
    for (const a of inside) {
      ok(await inNetworkOf(outsidePid(lab), 'ip', 'route', 'add', `${a}/32`, 'via', W1));
      assert.notEqual((await inNetworkOf(outsidePid(lab), ...curl(visitUrl(a)))).code, 0, `${a} was reached`);
      ok(await inNetworkOf(outsidePid(lab), 'ip', 'route', 'del', `${a}/32`));
    }
    parseVisit(await inNetworkOf(outsidePid(lab), ...curl(visitUrl(W1, 8080))));
  });

  it('a container of one network does not reach another one through the node', async () => {
    const client = await pidOf(lab, 'w1', 'client');
    const web = await pidOf(lab, 'w1', 'web');
    const addresses = ok(await inNetworkOf(web, 'ip', '-o', '-4', 'addr'));
    for (const [, a = ''] of addresses.matchAll(/inet ((?:10|172)\.\S+)\//g)) {
      assert.notEqual((await inNetworkOf(client, ...curl(visitUrl(a)))).code, 0, `${a} was reached`);
    }
    assert.deepEqual(await resolveIn(client, 'web'), []);
  });
});

/** Arguments: node, inner source, inner destination, tries, MAC of the node's router. */
const INJECT = `const [,to,src,dst,tries,router]=process.argv;const s=require('dgram').createSocket('udp4');
const ip=a=>a.split('.').map(Number);
const sum=b=>{let x=0;for(let i=0;i<b.length;i+=2)x+=b.readUInt16BE(i);while(x>>16)x=(x&65535)+(x>>16);return ~x&65535};
const frame=(vni)=>{const h=Buffer.alloc(20);h[0]=0x45;h.writeUInt16BE(32,2);h[8]=64;h[9]=17;
Buffer.from(ip(src)).copy(h,12);Buffer.from(ip(dst)).copy(h,16);h.writeUInt16BE(sum(h),10);
const u=Buffer.alloc(12);u.writeUInt16BE(1,0);u.writeUInt16BE(${PORT},2);u.writeUInt16BE(12,4);
const v=Buffer.alloc(8);v[0]=8;v.writeUInt32BE(vni<<8>>>0,4);
const mac=Buffer.from(router.replaceAll(':',''),'hex');
return Buffer.concat([v,mac,Buffer.from([2,0,0,0,0,1]),Buffer.from([8,0]),h,u])};
let n=0;const next=()=>{if(n>=Number(tries))return s.close();
s.send(frame(4096+n%4),4789,to,()=>{n++;setImmediate(next)})};next();`;

/** Makes of a question an answer with one address, whose last byte is given; with another number where one is given. */
const ANSWER = `const answer=(q,last,add)=>{const end=12+q.subarray(12).indexOf(0)+5;const h=Buffer.from(q.subarray(0,12));
h.writeUInt16BE((q.readUInt16BE(0)+add)%65536,0);h.writeUInt16BE(0x8180,2);h.writeUInt16BE(1,6);h.writeUInt32BE(0,8);
return Buffer.concat([h,q.subarray(12,end),Buffer.from([0xc0,12,0,1,0,1,0,0,0,60,0,4,192,0,2,last])])};`;

/** Says who asked what, answers a thousand times under wrong numbers, and at last as it should. */
const SERVER = `${ANSWER}const s=require('dgram').createSocket('udp4');s.on('message',(q,f)=>{
console.log(f.port+' '+q.toString('hex'));for(let i=1;i<=1000;i++)s.send(answer(q,66,i),f.port,f.address);
setTimeout(()=>s.send(answer(q,1,0),f.port,f.address),1500)});s.bind(53,()=>console.log('up'))`;

/** Arguments: address, port, question, tries. */
const FORGE = `${ANSWER}const [,to,port,question,tries]=process.argv;const s=require('dgram').createSocket('udp4');
const b=answer(Buffer.from(question,'hex'),66,0);let n=0;const next=()=>{if(n>=Number(tries))return s.close();
s.send(b,Number(port),to,()=>{n++;setImmediate(next)})};s.bind(53,()=>next());`;

/** Arguments: source, destination, tries, bytes (1 where it is left out). */
const SEND = `const [,from,to,tries,bytes='1']=process.argv;const s=require('dgram').createSocket('udp4');
s.bind({address:from},()=>{let n=0;const next=()=>{if(n>=Number(tries))return s.close();
s.send(Buffer.alloc(Number(bytes)),${PORT},to,()=>{n++;setImmediate(next)})};next()});`;
