import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { LogChunk, LogLine, LogPlace, LogQuery, type LogRequest, TaskState, TaskStatus } from '@swarmts/proto';
import { testNode, testService, testTask } from '../orchestrator/testing.js';
import { localStore } from '../store/store.js';
import { LogBroker, type LogSubject } from './log-broker.js';

const { ACCEPTED, ASSIGNED, FAILED, PENDING, RUNNING } = TaskState;

/** A broker and nodes that answer when they are told to. */
async function bed() {
  const store = localStore(() => 0);
  await store.update((tx) => {
    tx.create('node', testNode('n1'));
    tx.create('node', testNode('n2'));
    tx.create('service', testService());
  });
  const asked: (LogRequest & { readonly nodeId: string })[] = [];
  const away = new Set<string>();
  const broker = new LogBroker({
    store,
    request: (nodeId, r) => {
      if (away.has(nodeId)) return false;
      asked.push({ ...r, nodeId });
      return true;
    },
  });
  const abort = new AbortController();
  const lines: string[] = [];
  const read = async (subject: Partial<LogSubject>, query: Partial<LogQuery>) => {
    const q = LogQuery.create({ stdout: true, tail: 3, ...query });
    for await (const c of broker.read({ taskIds: [], serviceId: '', from: [], ...subject }, q, abort.signal))
      lines.push(...c.lines.map((l) => Buffer.from(l.data).toString()), ...(c.error === '' ? [] : [c.error]));
    return lines;
  };
  const answer = (taskId: string, text: string, done = false) => {
    const request = asked.findLast((r) => r.taskIds.includes(taskId));
    assert.ok(request, `the node of ${taskId} was asked`);
    const line = LogLine.create({ taskId, data: Buffer.from(text), timeNs: '1700' });
    const chunk = LogChunk.create({ subscriptionId: request.subscriptionId, lines: text === '' ? [] : [line], done });
    broker.deliver(request.nodeId, chunk);
  };
  const put = (id: string, state: TaskState, node = 'n1') =>
    store.update((tx) => {
      const old = tx.get('task', id);
      const task = testTask({ id, slot: 1, state, node });
      if (!old) tx.create('task', task);
      else tx.update('task', { ...old, status: TaskStatus.create({ ...old.status, state }) });
    });
  return { store, broker, asked, away, abort, read, answer, put };
}

describe('reading logs', () => {
  it('asks every node once, and ends when all are done', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    await b.put('t2', FAILED);
    await b.put('t3', RUNNING, 'n2');
    const read = b.read({ taskIds: ['t1', 't2', 't3'] }, {});
    assert.deepEqual(
      b.asked.map((r) => [r.nodeId, r.taskIds]),
      [
        ['n1', ['t1', 't2']],
        ['n2', ['t3']],
      ],
    );
    b.answer('t1', 'one', true);
    b.answer('t3', 'three', true);
    assert.deepEqual(await read, ['one', 'three']);
  });

  it('reads the others also when the first of the nodes is away', async () => {
    const b = await bed();
    b.away.add('n1');
    await b.put('t1', RUNNING);
    await b.put('t2', RUNNING, 'n2');
    const read = b.read({ taskIds: ['t1', 't2'] }, {});
    b.answer('t2', 'two', true);
    assert.deepEqual(await read, ['node n1 is not available: its logs are missing', 'two']);
  });

  it('has the nodes wait for a reader that does not keep up', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    await b.put('t2', RUNNING, 'n2');
    const q = LogQuery.create({ stdout: true, tail: -1 });
    const chunks = b.broker.read({ taskIds: ['t1', 't2'], serviceId: '', from: [] }, q, b.abort.signal);
    const first = chunks.next();
    const told = () =>
      b.asked.filter((r) => r.pause || r.goOn).map((r) => `${r.nodeId} ${r.pause ? 'waits' : 'goes on'}`);
    const answer = (times: number) => {
      for (let i = 0; i < times; i++) b.answer('t1', 'x');
    };
    answer(1);
    await first;
    answer(63);
    assert.deepEqual(told(), []);
    answer(1);
    assert.deepEqual(told(), ['n1 waits', 'n2 waits']);
    await chunks.next();
    assert.deepEqual(told().slice(2), ['n1 goes on', 'n2 goes on']);
    b.abort.abort();
    await chunks.return(undefined);
  });

  it('names a node that is away, and one that goes away, and reads the others', async () => {
    const b = await bed();
    b.away.add('n2');
    await b.put('t1', RUNNING);
    await b.put('t2', RUNNING, 'n2');
    const read = b.read({ taskIds: ['t1', 't2'] }, {});
    b.answer('t1', 'one');
    b.broker.nodeGone('n1');
    assert.deepEqual(await read, [
      'node n2 is not available: its logs are missing',
      'one',
      'node n1 went away: the rest of its logs is missing',
    ]);
  });

  it('takes lines from the node that was asked alone', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'] }, {});
    const forged = LogChunk.create({ subscriptionId: b.asked[0]?.subscriptionId ?? '', done: true, error: 'forged' });
    b.broker.deliver('n2', forged);
    b.answer('t1', 'true', true);
    assert.deepEqual(await read, ['true']);
  });
});

describe('following logs', () => {
  it('of a service goes on with its tasks to come, from their first line', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'], serviceId: 'svc' }, { follow: true });
    b.answer('t1', 'first', true);
    await b.put('t2', PENDING, '');
    await b.put('t3', ASSIGNED, 'n2');
    assert.equal(b.asked.length, 1, 'nobody has them yet');
    await b.put('t3', ACCEPTED);
    await b.put('t3', RUNNING);
    assert.equal(b.asked.length, 2);
    assert.deepEqual([b.asked[1]?.nodeId, b.asked[1]?.query?.tail, b.asked[1]?.query?.follow], ['n2', -1, true]);
    b.answer('t3', 'third');
    await b.store.update((tx) => tx.remove('service', 'svc'));
    b.answer('t3', 'last', true);
    assert.deepEqual(await read, ['first', 'third', 'last']);
  });

  it('of a task waits for the task to get a node, and ends with it', async () => {
    const b = await bed();
    await b.put('t1', ASSIGNED);
    const read = b.read({ taskIds: ['t1'] }, { follow: true });
    assert.equal(b.asked.length, 0);
    await b.put('t1', ACCEPTED);
    await b.put('t2', ACCEPTED);
    assert.deepEqual(
      b.asked.map((r) => r.taskIds),
      [['t1']],
    );
    b.answer('t1', 'line', true);
    assert.deepEqual(await read, ['line']);
  });

  it('goes on where it stopped when a node comes back, and says nothing of it', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    await b.put('t2', RUNNING, 'n2');
    const read = b.read({ taskIds: ['t1', 't2'], serviceId: 'svc' }, { follow: true });
    b.answer('t1', 'one');
    b.broker.nodeGone('n1');
    b.broker.nodeGone('n2');
    b.broker.nodeReady('n1');
    b.broker.nodeReady('n2');
    assert.deepEqual(
      b.asked.slice(2).map((r) => [r.taskIds, r.query?.sinceNs, r.query?.tail]),
      [
        [['t1'], '1701', -1],
        [['t2'], '', 3],
      ],
    );
    await b.store.update((tx) => tx.remove('service', 'svc'));
    b.answer('t1', 'two', true);
    b.answer('t2', '', true);
    assert.deepEqual(await read, ['one', 'two']);
  });

  it('goes on from the places that nodes name, also where it stood before the first line', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'] }, { follow: true });
    const subscriptionId = b.asked[0]?.subscriptionId ?? '';
    const place = LogPlace.create({ taskId: 't1', place: '7:100:0' });
    b.broker.deliver('n1', LogChunk.create({ subscriptionId, places: [place] }));
    b.broker.nodeGone('n1');
    b.broker.nodeReady('n1');
    assert.deepEqual(b.asked[1]?.from, [place]);
    b.answer('t1', 'one', true);
    assert.deepEqual(await read, ['one']);
  });

  it('at the next leader asks for what comes after, and for all of the tasks that came meanwhile', async () => {
    const b = await bed();
    for (const id of ['t1', 't2', 'late']) await b.put(id, RUNNING);
    const from = [LogPlace.create({ taskId: 't1', place: '7:100:0' })];
    const read = b.read({ taskIds: ['t1', 't2'], serviceId: 'svc', from }, { follow: true });
    assert.deepEqual(
      b.asked.map((r) => [r.taskIds, r.from.map((p) => p.taskId), r.query?.tail]),
      [
        [['t1', 't2'], ['t1'], 3],
        [['late'], [], -1],
      ],
    );
    b.broker.stop();
    await assert.rejects(read, (e) => isSwarmtsError(e, 'no-leader'));
  });

  it('begins with the tasks of a node that is there a moment later', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    b.away.add('n1');
    const read = b.read({ taskIds: ['t1'] }, { follow: true });
    b.away.clear();
    b.broker.nodeReady('n1');
    b.answer('t1', 'one', true);
    assert.deepEqual(await read, ['one']);
  });

  it('of a task ends, and says so, when its node has been away for too long', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'] }, { follow: true });
    b.broker.nodeGone('n1');
    await b.put('t1', TaskState.ORPHANED);
    assert.deepEqual(await read, ['node n1 went away: the rest of its logs is missing']);
  });

  it('of a task ends, and says so, when its node is removed', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'] }, { follow: true });
    await b.put('t1', TaskState.ORPHANED);
    b.broker.nodeGone('n1');
    assert.deepEqual(await read, ['node n1 went away: the rest of its logs is missing']);
  });

  it('tells the nodes when nobody listens any more', async () => {
    const b = await bed();
    await b.put('t1', RUNNING);
    const read = b.read({ taskIds: ['t1'], serviceId: 'svc' }, { follow: true });
    b.abort.abort();
    await read;
    assert.deepEqual(
      b.asked.map((r) => r.cancel),
      [false, true],
    );
    await b.put('t2', RUNNING);
    assert.equal(b.asked.length, 2);
  });
});
