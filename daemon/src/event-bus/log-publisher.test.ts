import assert from 'node:assert/strict';
import { silentLogger, systemClock } from '@swarmts/lib';
import type { ContainerEngine, ContainerInfo, EngineEvent, LogEntry, LogOptions } from '@swarmts/worker';
import { LogPublisher } from './log-publisher.js';
import { MemoryBus } from './memory-bus.js';

interface Line {
  readonly timeNs: bigint;
  readonly text: string;
  /** A line of the other stream was begun before it, and has not ended. */
  readonly isWithin?: boolean;
}

/** Containers with lines; a log that is followed ends after them. */
class FakeEngine {
  readonly lines: Line[] = [];
  readonly containers: ContainerInfo[] = [];
  #tell: (e: EngineEvent) => void = () => undefined;

  add(id: string, labels: Readonly<Record<string, string>>, state = 'running'): void {
    // What the publisher reads of a container.
    this.containers.push({ id, state, config: { labels } } as unknown as ContainerInfo);
    this.#tell({ type: 'container', action: 'start', id, attributes: {}, timeMs: 0 });
  }

  list = () => this.containers;
  find = (id: string) => this.containers.find((c) => c.id === id);

  async *logs(_: string, options: LogOptions): AsyncGenerator<LogEntry> {
    const file = 'log';
    const from = options.from?.offset ?? 0;
    options.onStart?.({ file, offset: from });
    for (const [i, { timeNs, text, isWithin }] of this.lines.entries()) {
      if (i < from) continue;
      const line = { stream: 'stdout', timeNs, line: Buffer.from(`${text}\n`) } as const;
      yield isWithin ? line : { ...line, end: { file, offset: i + 1 } };
    }
  }

  onEvent = (listener: (e: EngineEvent) => void) => {
    this.#tell = listener;
    return () => undefined;
  };
}

const LABELS = { 'com.docker.swarm.task.id': 't1', 'com.docker.swarm.service.name': 'web' };

describe('logs on the bus', function () {
  this.timeout(20_000);
  let engine: FakeEngine;
  let bus: MemoryBus;
  let publisher: LogPublisher | undefined;
  beforeEach(() => {
    [engine, bus] = [new FakeEngine(), new MemoryBus()];
  });
  afterEach(() => publisher?.stop());
  const start = () => {
    const of = { clusterId: () => 'c1', nodeId: () => 'n1', clock: systemClock, log: silentLogger };
    publisher = new LogPublisher({ ...of, engine: engine as unknown as ContainerEngine, bus });
  };
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const texts = () => bus.kept.map((m) => JSON.parse(m.data).line);

  it('are those of tasks, whether they ran before or start later', async () => {
    engine.lines.push({ timeNs: 1_000_000_001n, text: 'hello' });
    engine.add('plain', {});
    start();
    engine.add('c1', LABELS);
    await until(() => bus.kept.length === 1);
    assert.equal(bus.kept[0]?.subject, 'swarmts.c1.logs.web.t1');
    assert.deepEqual(JSON.parse(bus.kept[0]?.data ?? ''), {
      service: 'web',
      task: 't1',
      node: 'n1',
      stream: 'stdout',
      time: '1970-01-01T00:00:01.000000001Z',
      line: 'hello',
    });
  });

  it('go on behind the last line that is kept, also where lines ended in another order than they began', async () => {
    const line = (timeNs: bigint, text: string, isWithin = false) => ({ timeNs, text, isWithin });
    engine.lines.push(line(2n, 'a'), line(4n, 'b', true), line(2n, 'c', true), line(4n, 'd', true), line(3n, 'e'));
    engine.add('c1', LABELS);
    start();
    await until(() => bus.kept.length === 5);
    assert.deepEqual(texts(), ['a', 'b', 'c', 'd', 'e']);
    for (let kept = 0; kept < 5; kept++) {
      await publisher?.stop();
      bus.kept.splice(kept);
      start();
      await until(() => bus.kept.length === 5);
      assert.deepEqual(texts(), ['a', 'b', 'c', 'd', 'e'], `after ${kept}`);
    }
  });

  it('begin anew where the last line is one of another container', async () => {
    engine.lines.push({ timeNs: 1n, text: 'hello' });
    const headers = { 'Swarmts-Container': 'c0', 'Swarmts-Place': 'log:9:0' };
    await bus.publish({ subject: 'swarmts.c1.logs.web.t1', id: 'other', headers, data: '{"line":"of c0"}' });
    engine.add('c1', LABELS);
    start();
    await until(() => bus.kept.length === 2);
    assert.deepEqual(texts(), ['of c0', 'hello']);
  });

  it('are also those of tasks that ended while nobody passed them on', async () => {
    engine.lines.push({ timeNs: 1n, text: 'last words' });
    engine.add('c1', LABELS, 'exited');
    engine.add('c2', LABELS, 'created');
    start();
    await until(() => bus.kept.length === 1);
    assert.deepEqual(texts(), ['last words']);
  });

  it('wait while the bus is away', async () => {
    engine.lines.push({ timeNs: 1n, text: 'kept' });
    engine.add('c1', LABELS);
    bus.away = true;
    start();
    await new Promise(setImmediate);
    bus.away = false;
    await until(() => bus.kept.length === 1);
    assert.deepEqual(texts(), ['kept']);
  });
});
