/** Managers come and go: promotion, demotion, leaving, five of them, and a cut network. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { callApi } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { leaderOf, newLab, nodesOf, ok, untilRunning, untilState } from './testing.js';

describe('managers', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 2 });
  });
  after(() => lab.down());

  const managersSeenBy = async (node: string) =>
    (await nodesOf(lab, node))
      .filter((n) => n.ManagerStatus?.Reachability === 'reachable')
      .map((n) => n.Description.Hostname)
      .sort();
  const untilManagers = (via: string, names: readonly string[]) =>
    waitFor(
      `the managers are ${names.join(', ')}`,
      60_000,
      async () => JSON.stringify(await managersSeenBy(via)) === JSON.stringify([...names].sort()),
    );

  const eventsPath = (query: string) => `/events?${query}filters=${encodeURIComponent('{"scope":["swarm"]}')}`;
  /** What a manager knows of what happened in the swarm, line by line. */
  const eventsOf = async (node: string) =>
    (await callApi(lab.socket(node), 'GET', eventsPath(`since=1&until=${Math.floor(Date.now() / 1000)}&`))).body
      .trim()
      .split('\n');
  /** What a manager tells of it from now on. */
  const follow = async (node: string) => {
    let text = '';
    const asked = request({ socketPath: lab.socket(node), path: eventsPath(''), agent: false });
    await new Promise<void>((resolve, reject) => {
      asked.on('error', reject);
      asked.on('response', (stream) => {
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        resolve();
      });
      asked.end();
    });
    return { lines: () => text.trim().split('\n'), close: () => asked.destroy() };
  };

  it('workers are promoted, also one that cannot be a manager at first', async () => {
    const listen = "require('node:net').createServer().listen(2377)";
    const other = await lab.spawn('w1', [process.execPath, '-e', listen]);
    await waitFor('its port is taken', 10_000, async () =>
      /:2377\b/.test((await lab.exec('w1', ['ss', '-Hltn'])).stdout),
    );
    ok(await lab.swarmts('m1', 'node', 'promote', 'w1', 'w2'));
    await waitFor('w1 has tried more than once', 30_000, () => {
      const log = readFileSync(lab.logFile('w1'), 'utf8');
      return (log.match(/change of role is tried again/g) ?? []).length >= 2;
    });
    process.kill(other, 'SIGKILL');
    await untilManagers('m1', ['m1', 'm2', 'm3', 'w1', 'w2']);
    await waitFor('w1 answers as a manager', 30_000, async () => (await lab.swarmts('w1', 'node', 'ls')).code === 0);
  });

  it('what was written at one is read at every other at once', async () => {
    const managers = ['m1', 'm2', 'm3'];
    for (let i = 0; i < 30; i++) {
      const [writer = '', ...readers] = managers.map((_, n) => managers[(i + n) % managers.length] ?? '');
      const body = { Name: `c${i}`, Data: 'eA==' };
      assert.equal((await callApi(lab.socket(writer), 'POST', '/configs/create', body)).status, 201);
      for (const reader of readers) {
        const found = await callApi(lab.socket(reader), 'GET', `/configs/c${i}`);
        assert.equal(found.status, 200, `${reader} does not have what ${writer} was told is written: ${found.body}`);
      }
    }
  });

  it('five managers lose two and go on', async () => {
    const leader = await leaderOf(lab, 'm1');
    const [other] = ['m2', 'm3'].filter((m) => m !== leader);
    assert.ok(other);
    const left = ['m1', 'm2', 'm3', 'w1', 'w2'].find((m) => m !== leader && m !== other) ?? 'w1';
    const followed = await follow(left);
    await lab.kill(leader);
    await lab.kill(other);
    await waitFor(
      'a service is created',
      30_000,
      async () =>
        (
          await lab.swarmts(
            left,
            'service',
            'create',
            '-d',
            '--name',
            'web',
            '--replicas',
            '2',
            '--constraint',
            `node.hostname==${left}`,
            'registry:5000/whoami',
          )
        ).code === 0,
    );
    await untilRunning(lab, left, 'web', 2);
    await lab.start(leader);
    await lab.start(other);
    await untilManagers('w1', ['m1', 'm2', 'm3', 'w1', 'w2']);
    // Who listened has missed nothing and got nothing twice; those that were down know the same.
    const known = await waitForSame([leader, other, left], eventsOf);
    const heard = followed.lines();
    followed.close();
    const isCreation = (line: string) => /"Type":"service","Action":"create"/.test(line);
    assert.equal(heard.filter(isCreation).length, 1);
    const fromFirst = known.slice(known.indexOf(heard[0] ?? ''));
    assert.ok(fromFirst.some(isCreation));
    assert.deepEqual(heard.slice(0, fromFirst.length), fromFirst);
  });

  it('a manager is demoted, and is a worker then', async () => {
    ok(await lab.swarmts('m1', 'node', 'demote', 'w2'));
    await untilManagers('m1', ['m1', 'm2', 'm3', 'w1']);
    await waitFor('w2 is a worker', 30_000, async () =>
      /Worker nodes can't be used/.test((await lab.swarmts('w2', 'node', 'ls')).stderr),
    );
    await untilState(lab, 'm1', 'w2', 'ready');
  });

  it('the leader itself is demoted', async () => {
    const leader = await leaderOf(lab, 'm1');
    const via = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
    ok(await lab.swarmts(via, 'node', 'demote', leader));
    await untilManagers(
      via,
      ['m1', 'm2', 'm3', 'w1'].filter((m) => m !== leader),
    );
    assert.notEqual(await leaderOf(lab, via), leader);
    ok(await lab.swarmts(via, 'node', 'promote', leader));
    await untilManagers(via, ['m1', 'm2', 'm3', 'w1']);
  });

  it('a leader that is cut off steps down, and follows when it is back', async () => {
    const leader = await leaderOf(lab, 'm1');
    const via = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
    lab.isolate(leader);
    await waitFor('another leads', 30_000, async () => (await leaderOf(lab, via)) !== leader);
    // The others find the next leader before it takes them for lost: their tasks stay where they are.
    await untilState(lab, via, leader, 'down');
    const next = readFileSync(lab.logFile(await leaderOf(lab, via)), 'utf8');
    const lost = [
      ...next.slice(next.lastIndexOf('this manager leads the swarm')).matchAll(/node is down" node=(\w+)/g),
    ];
    const { ID } = (await nodesOf(lab, via)).find((n) => n.Description.Hostname === leader) ?? {};
    assert.deepEqual(
      lost.map(([, id]) => id),
      [ID],
    );
    ok(await lab.swarmts(via, 'service', 'create', '-d', '--name', 'later', '--replicas', '0', 'registry:5000/whoami'));
    lab.heal();
    await waitFor('the old leader shows what was written meanwhile', 30_000, async () =>
      /later/.test((await lab.swarmts(leader, 'service', 'ls')).stdout),
    );
  });

  it('writes go on with a tenth of all packets lost', async () => {
    for (const n of lab.nodes) lab.loss(n.name, 10);
    await waitFor(
      'a service is updated',
      60_000,
      async () => (await lab.swarmts('m2', 'service', 'update', '-d', '--label-add', 'x=y', 'later')).code === 0,
    );
    lab.heal();
  });

  it('a manager whose data was replaced by an earlier copy ends and says what to do; the others go on, and it joins anew', async () => {
    const leader = await leaderOf(lab, 'm1');
    const old = ['m2', 'm3'].find((m) => m !== leader) ?? '';
    const via = ['m1', 'm2', 'm3'].find((m) => m !== old) ?? '';
    const [data, copy] = [join(lab.dataRoot(old), 'swarm'), `${lab.dataRoot(old)}.copy`];
    await lab.shutdown(old);
    cpSync(data, copy, { recursive: true });
    await lab.start(old);
    const write = (value: string) => lab.swarmts(via, 'service', 'update', '-d', '--label-add', `x=${value}`, 'later');
    ok(await write('1'));
    await waitFor('it has what was written', 20_000, async () =>
      /x:1/.test((await lab.swarmts(old, 'service', 'inspect', '--format', '{{.Spec.Labels}}', 'later')).stdout),
    );
    await lab.shutdown(old);
    rmSync(data, { recursive: true });
    cpSync(copy, data, { recursive: true });
    rmSync(copy, { recursive: true });
    // It may end before its API has answered.
    await lab.start(old).catch(() => undefined);
    await waitFor('it has ended', 20_000, () => !existsSync(`/proc/${lab.nodes.find((n) => n.name === old)?.pid}`));
    assert.match(
      readFileSync(lab.logFile(old), 'utf8'),
      /an earlier copy of its data was put back\. This manager must not take part any more: on another manager run/,
    );
    ok(await write('2'));
    ok(await lab.swarmts(via, 'node', 'demote', old));
    await waitFor('it is out', 30_000, async () => (await lab.swarmts(via, 'node', 'rm', '--force', old)).code === 0);
    await lab.start(old);
    ok(await lab.swarmts(old, 'swarm', 'leave', '--force'));
    const token = ok(await lab.swarmts(via, 'swarm', 'join-token', '-q', 'manager')).trim();
    ok(await lab.swarmts(old, 'swarm', 'join', '--token', token, `${lab.address(via)}:2377`));
    await untilManagers(via, ['m1', 'm2', 'm3', 'w1']);
  });

  it('a manager leaves with force, and the others take it out', async () => {
    ok(await lab.swarmts('w1', 'leave', '--force'));
    await untilManagers('m1', ['m1', 'm2', 'm3']);
  });
});

/** Until all give the same answer: that. */
async function waitForSame<T>(nodes: readonly string[], ask: (node: string) => Promise<T>): Promise<T> {
  let answers: readonly T[] = [];
  await waitFor(`${nodes.join(', ')} say the same`, 30_000, async () => {
    answers = await Promise.all(nodes.map(ask));
    return new Set(answers.map((a) => JSON.stringify(a))).size === 1;
  });
  const [answer] = answers;
  assert.ok(answer !== undefined);
  return answer;
}
