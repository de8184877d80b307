import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { isSwarmtsError } from '@swarmts/lib';
import { ContainerInputs } from './container-inputs.js';

/** Takes connections of packets, which Node cannot; asked by a line, it reads what is there on the next one. */
const MONITOR = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
s.listen()
print("listening", flush=True)
for line in sys.stdin:
    c, _ = s.accept()
    c.setblocking(False)
    text, ended = "", False
    try:
        while not ended:
            packet = c.recv(8192).decode()
            text += packet
            ended = packet == ""
    except BlockingIOError:
        pass
    print(json.dumps([text, ended]), flush=True)
`;

describe('the inputs of containers', () => {
  let dir: string;
  let socket: string;
  let monitor: ChildProcessByStdio<Writable, Readable, null>;
  let answers: Interface;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-inputs-'));
    socket = join(dir, 'attach');
    monitor = spawn('python3', ['-c', MONITOR, socket], { stdio: ['pipe', 'pipe', 'inherit'] });
    answers = createInterface({ input: monitor.stdout });
    await once(answers, 'line');
  });
  afterEach(async () => {
    monitor.kill();
    await once(monitor, 'exit');
    rmSync(dir, { recursive: true });
  });

  /** What has come on the next connection, in the order in which they were made, and whether it has ended. */
  const received = async () => {
    const answer = once(answers, 'line');
    monitor.stdin.write('\n');
    const [line] = await answer;
    return JSON.parse(String(line)) as [string, boolean];
  };
  const isClosed = (e: unknown) => isSwarmtsError(e, 'failed-precondition');

  it('stay open when another one, whose descriptor they have now, is closed again', async () => {
    const inputs = new ContainerInputs();
    const first = inputs.open(socket, 'connected');
    inputs.close(first);
    const second = inputs.open(socket, 'connected');
    inputs.close(first);
    await inputs.write(second, Buffer.from('typed'));
    assert.deepEqual(
      [await received(), await received()],
      [
        ['', true],
        ['typed', false],
      ],
    );
    inputs.closeAll();
  });

  it('get nothing of what waits for another one, whose descriptor they have now', async () => {
    const inputs = new ContainerInputs();
    const first = inputs.open(socket, 'connected');
    const waiting = assert.rejects(inputs.write(first, Buffer.alloc(8 << 20, 'x')), isClosed);
    const behind = assert.rejects(inputs.write(first, Buffer.from('behind')), isClosed);
    await new Promise((resolve) => setImmediate(resolve));
    inputs.close(first);
    const second = inputs.open(socket, 'connected');
    await Promise.all([waiting, behind]);
    await inputs.write(second, Buffer.from('own'));
    const [[cut, ended], own] = [await received(), await received()];
    assert.match(cut, /^x+$/);
    assert.deepEqual([ended, own], [true, ['own', false]]);
    inputs.closeAll();
  });

  it('of a helper that has ended are none of the next one', async () => {
    const former = new ContainerInputs();
    const old = former.open(socket, 'connected');
    former.closeAll();
    const inputs = new ContainerInputs();
    const input = inputs.open(socket, 'connected');
    await assert.rejects(inputs.write(old, Buffer.from('old')), isClosed);
    inputs.close(old);
    await inputs.write(input, Buffer.from('new'));
    assert.deepEqual(
      [await received(), await received()],
      [
        ['', true],
        ['new', false],
      ],
    );
    inputs.closeAll();
  });
});
