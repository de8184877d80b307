// The example store as three real processes. RAFT_LONG=1 kills leaders for ten minutes, and everybody a hundred times.
import assert from 'node:assert/strict';
import { IDS, KvProcesses } from './kv-processes.js';
import { Workload } from './workload.js';

const IS_LONG = process.env.RAFT_LONG === '1';
const KILLING_MS = (IS_LONG ? 600 : 30) * 1000;
const KILL_EVERY_MS = 5_000;
const PER_SECOND = 200;
const FULL_STOPS = IS_LONG ? 100 : 5;
const PAUSES_MS = IS_LONG ? [1_000, 3_000, 10_000, 30_000] : [1_000, 4_000];

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

describe('three processes over gRPC with mutual TLS', () => {
  let group: KvProcesses;

  beforeEach(async () => {
    group = await KvProcesses.start();
  });

  afterEach(async () => {
    await group.stop();
    assert.deepEqual(group.complaints, []);
  });

  /** Reads every key from every member, so that the histories end with what is there now. */
  async function readAll(workload: Workload): Promise<void> {
    for (const key of workload.keys) for (const id of IDS) await workload.read(group.url(id), key);
  }

  it('lose no acknowledged write and read nothing stale while leaders are killed', async function () {
    this.timeout(KILLING_MS + 120_000);
    await group.leader();
    const workload = new Workload(group, PER_SECOND);
    workload.start();
    let kills = 0;
    for (const end = performance.now() + KILLING_MS; performance.now() < end; kills += 1) {
      const next = performance.now() + KILL_EVERY_MS;
      const leader = await group.leader();
      await group.kill(leader);
      await group.startMember(leader);
      await pause(Math.max(0, next - performance.now()));
    }
    await workload.stop();
    await group.leader();
    await readAll(workload);
    assert.equal(workload.violation(), undefined);
    const { writes, reads } = workload.counts;
    assert.ok(kills >= KILLING_MS / KILL_EVERY_MS / 2, `${kills} kills`);
    // Nobody leads for some of the time, and this machine may be slow: but it was a load.
    const expected = (PER_SECOND * KILLING_MS) / 1000;
    assert.ok(writes > expected / 4 && reads > expected / 4, `${writes} writes, ${reads} reads of ${expected}`);
  });

  it('read nothing stale from a leader that was stopped for a while', async function () {
    this.timeout(300_000);
    const workload = new Workload(group, PER_SECOND / 2);
    for (const pauseMs of PAUSES_MS) {
      const leader = await group.leader();
      workload.start();
      await pause(500);
      group.signal(leader, 'SIGSTOP');
      await pause(pauseMs);
      // It goes on where it stopped and takes itself for the leader: these reads are the first that it sees.
      const early = workload.keys.map(async (key) => await workload.read(group.url(leader), key));
      group.signal(leader, 'SIGCONT');
      await Promise.all(early);
      for (const key of workload.keys) await workload.read(group.url(leader), key);
      await pause(500);
      await workload.stop();
      await readAll(workload);
      assert.equal(workload.violation(), undefined, `after ${pauseMs} ms`);
    }
  });

  it('start again and have everything after all of them were killed at once', async function () {
    this.timeout(FULL_STOPS * 30_000);
    for (let round = 1; round <= FULL_STOPS; round += 1) {
      const leader = await group.leader();
      const acknowledged: string[] = [];
      let isOver = false;
      const writing = (async () => {
        for (let count = 1; !isOver; count += 1) {
          const key = `round${round}-${count}`;
          const answer = await group.put(group.url(leader), key, 'x').catch(() => undefined);
          if (answer?.status !== 204) return;
          acknowledged.push(key);
        }
      })();
      await pause(200);
      await Promise.all(IDS.map(async (id) => await group.kill(id)));
      isOver = true;
      await writing;
      await Promise.all(IDS.map(async (id) => await group.startMember(id)));
      await group.leader();
      assert.ok(acknowledged.length > 0, `round ${round}`);
      for (const key of acknowledged.slice(-20)) {
        for (const id of IDS) assert.equal((await group.get(group.url(id), key)).body, 'x', `round ${round}: ${key}`);
      }
    }
  });
});
