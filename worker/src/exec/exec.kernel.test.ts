/** Execs and attachments in real containers. Needs root. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig } from '../engine/container-config.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, TestRegistry } from '../engine/engine-bed.js';
import type { AttachOptions, ExecConfig, Session } from '../engine/session-api.js';

const ATTACH_ALL: AttachOptions = { stdin: true, stdout: true, stderr: true, logs: false, stream: true };

describe('execs and attachments', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;
  let id: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    const layer = await busyboxLayer([{ name: 'bin/plain-file', content: 'not executable', mode: 0o644 }]);
    image = (await registry.push('busybox', [{ tar: layer }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
    id = await started(['sleep', '1000'], { env: ['A=1'] });
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  async function started(cmd: readonly string[], more: Partial<ContainerConfig> = {}): Promise<string> {
    const made = await bed.engine.create(containerConfig(image, cmd, more));
    await bed.engine.start(made);
    return made;
  }

  const exec = async (argv: readonly string[], more: Partial<ExecConfig> = {}) => {
    const execId = await bed.engine.createExec(id, {
      argv,
      env: [],
      user: '',
      workingDir: '',
      privileged: false,
      tty: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
      detachKeys: '',
      ...more,
    });
    const start = (detach = false) => bed.engine.startExec(execId, { detach });
    const code = () =>
      eventually(async () => bed.engine.findExec(execId).state === 'ended', 'the exec ends').then(
        () => bed.engine.findExec(execId).exitCode,
      );
    return { execId, start, code };
  };

  const outputOf = async (session: Session) => {
    const out = { stdout: '', stderr: '' };
    await session.pump(async ({ stream, data }) => {
      out[stream] += Buffer.from(data).toString();
    });
    return out;
  };

  it('keep the streams apart and report the exit code', async () => {
    const e = await exec(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    assert.deepEqual(await outputOf(await e.start()), { stdout: 'out\n', stderr: 'err\n' });
    assert.equal(bed.engine.findExec(e.execId).exitCode, 7, 'it is known when the output has ended');
    assert.equal(await e.code(), 7);
    await assert.rejects(e.start(), /has already ran/);
  });

  it('pass on input until its end, and a megabyte both ways', async () => {
    const e = await exec(['sh', '-c', 'cat; echo done'], { attachStdin: true });
    const session = await e.start();
    const block = Buffer.alloc(1 << 20, 'x');
    const typing = session.write(block).then(() => session.end());
    const { stdout } = await outputOf(session);
    await typing;
    assert.equal(stdout.length, block.length + 'done\n'.length);
    assert.equal(await e.code(), 0);
  });

  it('take user, working directory and environment', async () => {
    const e = await exec(['sh', '-c', 'id -u; id -g; pwd; echo $A $B $HOME'], {
      user: 'alice',
      workingDir: '/tmp',
      env: ['B=2'],
    });
    assert.equal((await outputOf(await e.start())).stdout, '1000\n1000\n/tmp\n1 2 /home/alice\n');
  });

  it('have all capabilities when privileged, and no more than the container else', async () => {
    const caps = async (privileged: boolean) => {
      const e = await exec(['grep', 'CapEff', '/proc/self/status'], { privileged });
      return BigInt(`0x${(await outputOf(await e.start())).stdout.split(/\s+/)[1]}`);
    };
    assert.equal(await caps(false), 0xa80425fbn);
    assert.ok((await caps(true)) > 0xa80425fbn);
  });

  it('report 127 and 126 in the words of Docker', async () => {
    const missing = await exec(['nosuch']);
    await assert.rejects(
      missing.start(),
      /^SwarmtsError: OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in \$PATH: unknown$/,
    );
    assert.equal(await missing.code(), 127);
    const silent = await exec(['nosuch'], { attachStderr: false });
    await assert.rejects(silent.start(), /exec: "nosuch": executable file not found/, 'also where nobody reads that');
    assert.equal(await silent.code(), 127);
    const plain = await exec(['/bin/plain-file']);
    await assert.rejects(plain.start(), /OCI runtime exec failed: exec failed: .*permission denied/);
    assert.equal(await plain.code(), 126);
    const nobody = await exec(['true'], { user: 'nosuch' });
    await assert.rejects(nobody.start(), /unable to find user nosuch: no matching entries in passwd file/);
    assert.equal(await nobody.code(), 126);
    assert.deepEqual(
      readdirSync(join(bed.execRoot, 'containers', id)).filter((n) => n.startsWith('exec-')),
      [],
    );
  });

  it('run in a terminal with a size', async () => {
    const e = await exec(['sh', '-c', 'test -t 0 && test -t 1 && echo tty; read x; stty size; echo "got $x"'], {
      tty: true,
      attachStdin: true,
    });
    // Clients do not wait for the start with that.
    const resized = bed.engine.resizeExec(e.execId, { rows: 33, columns: 101 });
    const session = await e.start();
    await resized;
    let text = '';
    const pumping = session.pump(async ({ data }) => {
      text += Buffer.from(data).toString();
    });
    await eventually(async () => text.includes('tty'), 'it asks');
    await session.write(Buffer.from('hello\n'));
    await pumping;
    assert.match(text, /33 101\r\ngot hello\r\n/);
    assert.equal(await e.code(), 0);
    await assert.rejects(bed.engine.resizeExec(e.execId, { rows: 1, columns: 1 }), /is not running in a terminal/);
  });

  it('have the terminal of their user, and the groups of the container', async () => {
    const script = 'until test "$(stat -L -c %u /proc/self/fd/0)" = 1000; do :; done; : <>/proc/self/fd/0 && echo mine';
    const e = await exec(['sh', '-c', script], { tty: true, user: 'alice' });
    assert.match((await outputOf(await e.start())).stdout, /mine/);
    const grouped = await bed.engine.create(
      containerConfig(image, ['sleep', '600'], { groups: ['staff', '77'], networkMode: 'none' }),
    );
    await bed.engine.start(grouped);
    const result = await bed.engine.exec(grouped, ['id', '-G'], { user: 'alice' });
    assert.match(Buffer.from(result.stdout).toString(), /^1000 .*50.*77/);
    await bed.engine.remove(grouped, { force: true, volumes: true });
  });

  it('go on when nobody is at their streams any more', async () => {
    const e = await exec([
      'sh',
      '-c',
      'i=0; while test $i -lt 3000; do echo line $i of some length; i=$((i+1)); done; exit 3',
    ]);
    await (await e.start()).close();
    assert.equal(await e.code(), 3);
    const detached = await exec(['sh', '-c', 'exit 4']);
    await detached.start(true);
    assert.equal(await detached.code(), 4);
  });

  it('are refused by containers that do not run', async () => {
    await bed.engine.pause(id);
    await assert.rejects(exec(['true']), /is paused, unpause the container before exec/);
    await bed.engine.unpause(id);
    const stopped = await bed.engine.create(containerConfig(image, ['true']));
    await assert.rejects(bed.engine.createExec(stopped, {} as ExecConfig), /is not running/);
  });

  it('attach before the start: a container reads what is typed, and its input ends with it', async () => {
    const made = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'cat; echo end >&2'], { openStdin: true, stdinOnce: true }),
    );
    const session = await bed.engine.attach(made, ATTACH_ALL);
    const out = outputOf(session);
    const typing = session.write(Buffer.from('one\ntwo')).then(() => session.end());
    await bed.engine.start(made);
    await typing;
    assert.deepEqual(await out, { stdout: 'one\ntwo', stderr: 'end\n' });
    await session.close();
  });

  it('attach passes ten megabytes to a slow reader without losing any', async () => {
    const made = await started(['sh', '-c', 'sleep 0.3; wc -c'], { openStdin: true, stdinOnce: true });
    const session = await bed.engine.attach(made, ATTACH_ALL);
    const out = outputOf(session);
    const bytes = Buffer.alloc(10 << 20, 'y');
    for (let at = 0; at < bytes.length; at += 65536) await session.write(bytes.subarray(at, at + 65536));
    await session.end();
    assert.equal((await out).stdout.trim(), String(bytes.length));
    await session.close();
  });

  it('attach to a terminal types, shows and resizes; leaving does not end it', async () => {
    const made = await started(['sh', '-c', 'while read x; do stty size; echo "got $x"; done'], {
      tty: true,
      openStdin: true,
      stdinOnce: true,
    });
    const visit = async (word: string) => {
      const session = await bed.engine.attach(made, ATTACH_ALL);
      let text = '';
      const pumping = session.pump(async ({ data }) => {
        text += Buffer.from(data).toString();
      });
      await session.write(Buffer.from(`${word}\n`));
      await eventually(async () => text.includes(`got ${word}`), 'it answers');
      await session.close();
      await pumping;
      return text;
    };
    await bed.engine.resize(made, { rows: 20, columns: 90 });
    assert.match(await visit('first'), /20 90\r\ngot first\r\n/);
    assert.doesNotMatch(await visit('second'), /first/);
    await bed.engine.stop(made, 0);
    await assert.rejects(bed.engine.resize(made, { rows: 1, columns: 1 }), /is not running/);
  });

  it('say when somebody detaches, and not when somebody goes away', async () => {
    const told: string[] = [];
    const unsubscribe = bed.engine.onEvent((e) => {
      if (/detach/.test(e.action)) told.push(`${e.action} ${e.id === id} ${e.attributes.execID ?? ''}`);
    });
    const e = await exec(['sleep', '1000'], { tty: true, attachStdin: true });
    for (const session of [await e.start(), await bed.engine.attach(id, ATTACH_ALL)]) await session.detach();
    await (await bed.engine.attach(id, ATTACH_ALL)).close();
    unsubscribe();
    assert.deepEqual(told, [`exec_detach true ${e.execId}`, 'detach true ']);
    assert.equal(bed.engine.findExec(e.execId).state, 'running');
  });

  it('a reader that stopped reading, or went away, does not stall a container', async () => {
    const made = await bed.engine.create(
      containerConfig(image, ['sh', '-c', 'dd if=/dev/zero bs=1024 count=8192; exit 5']),
    );
    const stuck = await bed.engine.attach(made, ATTACH_ALL);
    const gone = await bed.engine.attach(made, ATTACH_ALL);
    let read = 0;
    let wake: () => void = () => undefined;
    const pumping = stuck.pump(async ({ data }) => {
      read += data.length;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    });
    const leaving = gone.pump(async () => gone.close());
    await bed.engine.start(made);
    assert.equal((await bed.engine.wait(made)).exitCode, 5);
    assert.ok(read > 0 && read < 8192 * 1024);
    await leaving;
    await stuck.close();
    wake();
    await pumping;
  });

  it('attach shows what was written before, when asked, also of a container without a log', async () => {
    const made = await started(['sh', '-c', 'echo before; sleep 1000'], {
      log: { driver: 'none', options: {} },
    });
    let text = '';
    const session = await bed.engine.attach(made, { ...ATTACH_ALL, logs: true });
    const pumping = session.pump(async ({ data }) => {
      text += Buffer.from(data).toString();
    });
    await eventually(async () => text === 'before\n', 'it is shown');
    await bed.engine.stop(made, 0);
    await pumping;
    await session.close();
  });
});
