/**
 * One node as a container engine: the unmodified docker command (the newest on the machine and Debian's), dockerode and Debian's Python
 * library drive every verb of containers. Nothing here is about a swarm.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import type { Lab } from '../lab/lab.js';
import { type RunResult, tryRun } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, ok } from './testing.js';

const IMAGE = 'registry:5000/busybox';
/** Debian's client, where another one comes first on the PATH. */
const SWARMTS = fileURLToPath(new URL('../../../node_modules/.bin/swarmts', import.meta.url));
const CLIENTS = [...new Set(['docker', '/usr/bin/docker', SWARMTS])];

/** A command in a terminal, and somebody who reads before typing. */
class TerminalSession {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  #shown = '';

  constructor(command: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn('script', ['-qfec', command, '/dev/null'], { env: { ...env, TERM: 'xterm' }, timeout: 60_000 });
    this.#child.stdout?.on('data', (b: Buffer) => {
      this.#shown += b.toString();
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', (code) => resolve(code ?? 128)));
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  async until(pattern: RegExp): Promise<void> {
    await waitFor(`the terminal shows ${pattern}`, 20_000, () => pattern.test(this.#shown));
  }

  async end(): Promise<{ readonly code: number; readonly stdout: string }> {
    return { code: await this.#ended, stdout: this.#shown };
  }
}

describe('the verbs of containers', () => {
  let lab: Lab;
  let scratch: string;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'swarmts-verbs-'));
    lab = await newLab({ managers: 1, workers: 0 });
    env = { ...process.env, DOCKER_HOST: `unix://${lab.socket('m1')}` };
    await docker('pull', '-q', IMAGE);
  });
  after(async () => {
    await lab.down();
    rmSync(scratch, { recursive: true, force: true });
  });

  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args)).trim();
  const refused = async (...args: readonly string[]) => {
    const r = await lab.docker('m1', ...args);
    assert.notEqual(r.code, 0, r.stdout);
    return r;
  };
  const typed = (input: string, ...args: readonly string[]): RunResult =>
    tryRun('docker', args, { input, env, timeoutMs: 30_000 });
  const inTerminal = (command: string) => new TerminalSession(command, env);
  const started = (name: string, ...more: readonly string[]) => docker('run', '-d', '--name', name, ...more);
  const inspect = (name: string, format: string) => docker('inspect', '--format', format, name);

  for (const client of CLIENTS) {
    it(`run, exec and attach with ${basename(client)} (${dirname(client)}): streams, input, exit codes, terminals`, async () => {
      const call = (input: string, ...args: readonly string[]) =>
        tryRun(client, args, { input, env, timeoutMs: 30_000 });
      const apart = call('', 'run', '--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2; exit 7');
      assert.deepEqual([apart.code, apart.stdout, apart.stderr], [7, 'out\n', 'err\n']);
      assert.equal(call('typed', 'run', '--rm', '-i', IMAGE, 'cat').stdout, 'typed');
      assert.equal(call('', 'run', '--rm', IMAGE, 'nosuch').code, 127);
      assert.equal(call('', 'run', '--rm', IMAGE, '/etc').code, 126);
      const tty = await inTerminal(
        `${client} run --rm -it ${IMAGE} sh -c "test -t 0 && test -t 1 && echo terminal; exit 9"`,
      ).end();
      assert.deepEqual([tty.code, /terminal\r\n/.test(tty.stdout)], [9, true], tty.stdout);
      const id = call('', 'run', '-d', IMAGE, 'sleep', '1000').stdout.trim();
      assert.equal(call('typed', 'exec', '-i', id, 'cat').stdout, 'typed');
      assert.deepEqual(
        ['false', 'nosuch', '/etc'].map((c) => call('', 'exec', id, c).code),
        [1, 127, 126],
      );
      const exec = await inTerminal(`${client} exec -it ${id} sh -c "test -t 0 && echo terminal; exit 3"`).end();
      assert.deepEqual([exec.code, /terminal\r\n/.test(exec.stdout)], [3, true], exec.stdout);
      assert.equal(call('', 'rm', '-f', id).code, 0);
      assert.equal(call('', 'ps', '-aq').stdout, '');
    });
  }

  it('attach reads and types, leaves with its keys, and comes back', async () => {
    const loop = 'while sleep 0.2; do echo tick; done & while read x; do echo "got $x"; done';
    await docker('run', '-dit', '--name', 'a1', IMAGE, 'sh', '-c', loop);
    const first = inTerminal('docker attach a1');
    await first.until(/tick/);
    first.type('one\n');
    await first.until(/got one/);
    first.type('\x10\x11');
    await first.end();
    assert.equal(await inspect('a1', '{{.State.Running}}'), 'true');
    const second = inTerminal('docker attach --detach-keys ctrl-a,d a1');
    await second.until(/tick/);
    second.type('two\n');
    await second.until(/got two/);
    second.type('\x01d');
    assert.doesNotMatch((await second.end()).stdout, /got one/);
    await docker('rm', '-f', 'a1');
    await docker('create', '-i', '--name', 'a2', IMAGE, 'cat');
    assert.equal(typed('by start', 'start', '-ai', 'a2').stdout, 'by start');
    await docker('rm', 'a2');
  });

  it('create, start, stop, restart, kill, pause, rename, wait, rm', async () => {
    await docker(
      'create',
      '--name',
      'l1',
      '--stop-signal',
      'USR1',
      IMAGE,
      'sh',
      '-c',
      'trap "exit 4" USR1; while :; do sleep 0.05; done',
    );
    assert.equal(await docker('ps', '-a', '--format', '{{.Names}} {{.Status}}'), 'l1 Created');
    await docker('start', 'l1');
    assert.equal(await docker('stop', 'l1'), 'l1');
    assert.equal(await inspect('l1', '{{.State.ExitCode}}'), '4');
    await docker('restart', '-t', '0', 'l1');
    await docker('pause', 'l1');
    assert.match(await docker('ps', '--format', '{{.Status}}'), /\(Paused\)$/);
    assert.match((await refused('exec', 'l1', 'true')).stderr, /is paused, unpause the container before exec/);
    await docker('unpause', 'l1');
    assert.match((await refused('unpause', 'l1')).stderr, /is not paused/);
    await docker('rename', 'l1', 'l2');
    assert.match((await refused('rename', 'l2', 'bad/name')).stderr, /Invalid container name \(bad\/name\)/);
    const waiting = docker('wait', 'l2');
    await docker('kill', '-s', 'KILL', 'l2');
    assert.equal(await waiting, '137');
    assert.match((await refused('kill', 'l2')).stderr, /is not running/);
    assert.match((await refused('rm', 'l1')).stderr, /No such container: l1/);
    await docker('start', 'l2');
    assert.match(
      (await refused('rm', 'l2')).stderr,
      /container is running: stop the container before removing or force remove/,
    );
    assert.equal(await docker('rm', '-f', 'l2'), 'l2');
  });

  it('restart policies, --rm, update', async () => {
    await started('r1', '--restart', 'on-failure:2', IMAGE, 'sh', '-c', 'exit 3');
    await waitFor(
      'it gives up',
      20_000,
      async () => (await inspect('r1', '{{.State.Status}} {{.RestartCount}}')) === 'exited 2',
    );
    await started('r2', '--restart', 'always', '--memory', '64m', IMAGE, 'sleep', '1000');
    await docker('update', '--memory', '128m', '--memory-swap', '-1', '--restart', 'no', 'r2');
    assert.equal(await inspect('r2', '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}'), `${128 << 20} no`);
    assert.match(await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', 'r2'), /\/ 128MiB$/);
    assert.match(
      (await refused('run', '--cpus', '80', IMAGE, 'true')).stderr,
      /range of CPUs is from 0.01 to \d+.00, as there are only/,
    );
    assert.match((await refused('run', '--memory', '1m', IMAGE, 'true')).stderr, /Minimum memory limit allowed is 6MB/);
    await docker('run', '-d', '--rm', '--name', 'r3', IMAGE, 'true');
    await waitFor(
      'it has removed itself',
      10_000,
      async () => (await docker('ps', '-aq', '--filter', 'name=r3')) === '',
    );
    await docker('rm', '-f', 'r1', 'r2');
  });

  it('ps filters and sizes, top, stats, port, logs, diff', async () => {
    await started(
      'p1',
      '-p',
      '127.0.0.1:18080:80',
      '--label',
      'kind=probe',
      IMAGE,
      'sh',
      '-c',
      'echo line; dd if=/dev/zero of=/big bs=1k count=64 2>/dev/null; sleep 1000',
    );
    await started('p2', '--health-cmd', 'true', '--health-interval', '500ms', IMAGE, 'sleep', '1000');
    await waitFor('it is healthy', 15_000, async () => (await docker('ps', '-q', '--filter', 'health=healthy')) !== '');
    const names = (...filters: string[]) =>
      docker('ps', '-a', '--format', '{{.Names}}', ...filters.flatMap((f) => ['--filter', f]));
    assert.equal(await names('label=kind=probe'), 'p1');
    assert.equal(await names('name=p', 'status=running', 'health=healthy'), 'p2');
    assert.equal(await names(`ancestor=${IMAGE}`, 'since=p1'), 'p2');
    assert.equal(await names('publish=18080'), 'p1');
    assert.equal(
      await docker('ps', '-s', '--filter', 'name=p1', '--format', '{{.Size}}').then((s) =>
        /^6\d(\.\d)?kB \(virtual/.test(s),
      ),
      true,
    );
    assert.match(await docker('top', 'p1', '-o', 'pid,args'), /^PID\s+COMMAND\n\d+\s+(sh|sleep)/);
    assert.match(
      await docker('stats', '--no-stream', '--format', '{{.Name}} {{.CPUPerc}} {{.PIDs}}', 'p1'),
      /^p1 [\d.]+% \d+$/,
    );
    assert.equal(await docker('port', 'p1'), '80/tcp -> 127.0.0.1:18080');
    assert.equal(await docker('logs', '--tail', '1', 'p1'), 'line');
    assert.equal(await docker('diff', 'p1'), 'A /big');
    assert.match(await docker('system', 'df'), /Containers\s+2\s+2\s+6\d/);
    await docker('rm', '-f', 'p1', 'p2');
  });

  it('cp both ways, export, volumes', async () => {
    await started('c1', '-v', 'verbs:/data', IMAGE, 'sleep', '1000');
    writeFileSync(join(scratch, 'in'), 'from the host');
    await docker('cp', join(scratch, 'in'), 'c1:/data/');
    await docker('cp', join(scratch, 'in'), 'c1:/data/renamed');
    assert.equal(await docker('exec', 'c1', 'cat', '/data/in', '/data/renamed'), 'from the hostfrom the host');
    await docker('exec', 'c1', 'sh', '-c', 'mkdir -p /tree/deep; echo x > /tree/deep/f; ln -s deep /tree/link');
    await docker('cp', 'c1:/tree', scratch);
    assert.equal(readFileSync(join(scratch, 'tree/deep/f'), 'utf8'), 'x\n');
    await docker('cp', '-L', 'c1:/tree/link/f', join(scratch, 'out'));
    assert.equal(readFileSync(join(scratch, 'out'), 'utf8'), 'x\n');
    await docker('stop', '-t', '0', 'c1');
    await docker('cp', 'c1:/data/in', join(scratch, 'stopped'));
    assert.equal(readFileSync(join(scratch, 'stopped'), 'utf8'), 'from the host');
    await docker('export', '-o', join(scratch, 'all.tar'), 'c1');
    const listed = tryRun('tar', ['tf', join(scratch, 'all.tar')]).stdout;
    assert.match(listed, /^tree\/deep\/f$/m);
    assert.doesNotMatch(listed, /^data\/in$/m);
    assert.match((await refused('cp', 'c1:/nope', scratch)).stderr, /Could not find the file \/nope in container c1/);
    assert.match((await refused('volume', 'rm', 'verbs')).stderr, /volume is in use/);
    await docker('rm', 'c1');
    assert.match(await docker('volume', 'ls'), /local\s+verbs/);
    await docker('volume', 'create', '--label', 'keep=no', 'other');
    assert.match(await docker('volume', 'prune', '-a', '-f', '--filter', 'label=keep=no'), /Deleted Volumes:\nother/);
    await docker('volume', 'rm', 'verbs');
  });

  it('options of run', async () => {
    const run = (...args: readonly string[]) => docker('run', '--rm', ...args);
    assert.equal(
      await run('--user', '1000:50', '-w', '/tmp', '-e', 'A=b', IMAGE, 'sh', '-c', 'id -u; id -g; pwd; echo $A'),
      '1000\n50\n/tmp\nb',
    );
    assert.match(
      await run(
        '--tmpfs',
        '/t:size=1m,exec',
        '--read-only',
        IMAGE,
        'sh',
        '-c',
        'grep " /t " /proc/mounts; touch /no 2>&1 || true',
      ),
      /size=1024k[\s\S]*Read-only/,
    );
    assert.equal(
      await run(
        '--hostname',
        'box',
        '--add-host',
        'db:192.0.2.9',
        IMAGE,
        'sh',
        '-c',
        'hostname; grep -c db /etc/hosts',
      ),
      'box\n1',
    );
    assert.equal(await run('--network', 'none', IMAGE, 'sh', '-c', 'ls /sys/class/net'), 'lo');
    assert.equal(
      await run(
        '--ulimit',
        'nofile=100:200',
        '--shm-size',
        '1m',
        IMAGE,
        'sh',
        '-c',
        'ulimit -n; df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2',
      ),
      '100\n1024',
    );
    assert.equal(await run('--sysctl', 'net.ipv4.ip_forward=1', IMAGE, 'cat', '/proc/sys/net/ipv4/ip_forward'), '1');
    assert.equal(
      await run(
        '--cap-drop',
        'ALL',
        '--security-opt',
        'no-new-privileges',
        IMAGE,
        'sh',
        '-c',
        'grep -E "CapEff|NoNewPrivs" /proc/self/status | tr -d "\\t"',
      ),
      'CapEff:0000000000000000\nNoNewPrivs:1',
    );
    assert.match(
      (await refused('run', '--rm', '--runtime', 'nosuch', IMAGE, 'true')).stderr,
      /unknown or invalid runtime name: nosuch/,
    );
    for (const runtime of ['runc', 'crun'])
      assert.equal(await run('--runtime', runtime, IMAGE, 'echo', runtime), runtime);
    assert.match(
      (await refused('run', '--rm', '--log-driver', 'odd', IMAGE, 'true')).stderr,
      /no log driver named 'odd' is registered/,
    );
    const silent = await started('o1', '--log-driver', 'none', IMAGE, 'echo', 'x');
    assert.match((await refused('logs', silent)).stderr, /configured logging driver does not support reading/);
    await docker('rm', '-f', 'o1');
  });

  it('events tell what happened', async () => {
    const since = String(Date.now() / 1000);
    await docker('run', '--rm', '-v', 'e1data:/x:ro', '--name', 'e1', IMAGE, 'true');
    const until = String(Date.now() / 1000 + 0.2);
    const all = await docker(
      'events',
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'container=e1',
      '--format',
      '{{.Action}}',
    );
    const seen = all.split('\n').filter((a) => ['create', 'attach', 'start', 'die', 'destroy'].includes(a));
    assert.deepEqual(seen, ['create', 'attach', 'start', 'die', 'destroy']);
    const told = async (type: string, format: string) => {
      const filters = ['--since', since, '--until', until, '--filter', `type=${type}`];
      return (await docker('events', ...filters, '--format', format)).split('\n').map((line) => line.trim());
    };
    assert.deepEqual(await told('network', '{{.Action}} {{.Actor.Attributes.name}}'), [
      'connect bridge',
      'disconnect bridge',
    ]);
    const volume = '{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "read/write"}}';
    assert.deepEqual(await told('volume', volume), ['create e1data', 'mount e1data false', 'unmount e1data']);
    await docker('volume', 'rm', 'e1data');
    const died = await docker(
      'events',
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'event=die',
      '--format',
      '{{.Actor.Attributes.exitCode}}',
    );
    assert.equal(died, '0');
  });

  it('^C reaches a container that swarmts is attached to', async () => {
    const script = 'trap "exit 44" INT; echo ready; while :; do sleep 0.05; done';
    const child = spawn(SWARMTS, ['run', '--rm', '--name', 'int', IMAGE, 'sh', '-c', script], { env, timeout: 30_000 });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGINT');
    assert.equal(await ended, 44);
  });

  it('the verbs of swarmts beside', async () => {
    const swarmts = (...args: readonly string[]) => ok(tryRun(SWARMTS, args, { env, timeoutMs: 30_000 })).trim();
    await started('s1', '-p', '127.0.0.1:18081:80', IMAGE, 'sleep', '1000');
    writeFileSync(join(scratch, 'mine'), 'by swarmts');
    swarmts('cp', join(scratch, 'mine'), 's1:/tmp/');
    swarmts('cp', join(scratch, 'mine'), 's1:/tmp/renamed');
    mkdirSync(join(scratch, 'folder'));
    symlinkSync('folder', join(scratch, 'link'));
    swarmts('cp', '-L', join(scratch, 'link'), 's1:/new/');
    assert.equal(swarmts('exec', 's1', 'stat', '-c', '%F', '/new'), 'directory');
    assert.equal(swarmts('exec', 's1', 'cat', '/tmp/mine', '/tmp/renamed'), 'by swarmtsby swarmts');
    swarmts('cp', 's1:/tmp', join(scratch, 'taken'));
    assert.equal(readFileSync(join(scratch, 'taken/renamed'), 'utf8'), 'by swarmts');
    assert.match(swarmts('diff', 's1'), /A \/tmp\/mine/);
    assert.match(swarmts('top', 's1'), /sleep 1000/);
    assert.match(swarmts('stats', '--no-stream', 's1'), /s1\s+[\d.]+%/);
    assert.equal(swarmts('port', 's1'), '80/tcp -> 127.0.0.1:18081');
    swarmts('update', '--memory', '64m', 's1');
    swarmts('pause', 's1');
    swarmts('unpause', 's1');
    swarmts('rename', 's1', 's2');
    swarmts('restart', '-t', '0', 's2');
    swarmts('kill', 's2');
    assert.equal(swarmts('wait', 's2'), '137');
    assert.match(swarmts('system', 'df'), /Containers\s+1/);
    const tar = tryRun('sh', ['-c', `${SWARMTS} export s2 | tar t`], { env });
    assert.match(tar.stdout, /^tmp\/mine$/m);
    assert.match(swarmts('container', 'prune', '-f'), /Deleted Containers:\n[0-9a-f]{64}/);
  });

  it('container prune', async () => {
    await docker('create', '--name', 'x1', IMAGE, 'true');
    assert.match(await docker('container', 'prune', '-f'), /Deleted Containers:\n[0-9a-f]{64}/);
  });

  it('dockerode runs, execs and attaches', async () => {
    const client = new Docker({ socketPath: lab.socket('m1') });
    const out = new PassThrough();
    const [{ StatusCode }] = (await client.run(IMAGE, ['sh', '-c', 'echo by dockerode; exit 6'], out)) as [
      { StatusCode: number },
    ];
    assert.deepEqual([StatusCode, String(out.read())], [6, 'by dockerode\r\n']);
    const container = await client.createContainer({ Image: IMAGE, Cmd: ['sleep', '1000'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    stream.end('through the wire');
    const chunks: Buffer[] = [];
    for await (const c of stream) chunks.push(c as Buffer);
    assert.equal(Buffer.concat(chunks).subarray(8).toString(), 'through the wire');
    const stats = (await container.stats({ stream: false })) as unknown as { memory_stats: { usage: number } };
    assert.ok(stats.memory_stats.usage > 0);
    await container.remove({ force: true });
    for (const c of await client.listContainers({ all: true })) await client.getContainer(c.Id).remove({ force: true });
  });

  it("Debian's Python library does as well", () => {
    const script = `
import docker
c = docker.from_env()
assert c.containers.run('${IMAGE}', ['echo', 'by python'], remove=True) == b'by python\\n'
x = c.containers.run('${IMAGE}', ['sleep', '1000'], detach=True, name='py')
code, output = x.exec_run(['sh', '-c', 'echo in; exit 5'])
assert (code, output) == (5, b'in\\n'), (code, output)
sock = x.exec_run(['cat'], stdin=True, socket=True).output
sock._sock.sendall(b'raw')
sock._sock.shutdown(1)
assert sock.read().endswith(b'raw')
x.pause(); x.reload(); assert x.status == 'paused', x.status
x.unpause()
bits, stat = x.get_archive('/etc/passwd')
assert stat['name'] == 'passwd' and len(b''.join(bits)) > 0
x.rename('py2'); x.stop(timeout=0)
assert x.wait()['StatusCode'] == 137
x.remove()
print('fine')
`;
    const r = tryRun('python3', ['-c', script], { env, timeoutMs: 60_000 });
    assert.equal(r.stdout, 'fine\n', r.stderr);
  });

  it('containers in user namespaces, with images of their own, and back', async () => {
    const subordinate = join(scratch, 'subordinate');
    writeFileSync(subordinate, 'daemon:265536:65536\n');
    for (const file of ['/etc/subuid', '/etc/subgid']) {
      ok(await lab.exec('m1', ['mount', '--bind', subordinate, file]));
    }
    await lab.shutdown('m1');
    await lab.start('m1', ['--userns-remap=daemon']);
    try {
      assert.match(await docker('info'), /userns\n(.*\n)*.*Docker Root Dir: .*\/data\/265536\.265536\n/);
      assert.equal(await docker('images', '-q'), '');
      await docker('pull', '-q', IMAGE);
      await docker('network', 'create', 'remapped');
      await docker(
        'run',
        '-d',
        '--name',
        'c1',
        '--net',
        'remapped',
        '-p',
        '8078:80',
        IMAGE,
        'httpd',
        '-f',
        '-h',
        '/etc',
      );
      const ask = ['curl', '-fsS', '--max-time', '5', 'http://127.0.0.1:8078/hostname'];
      await waitFor('the published port answers', 10_000, async () =>
        /^[0-9a-f]{12}\n$/.test(ok(await lab.exec('m1', ask))),
      );
      const look =
        'head -n 1 /proc/self/uid_map; stat -c %u /etc/hosts /etc; wget -qO /dev/null c1/hosts && echo > /dev/stdout by name';
      const seen = await docker('run', '--rm', '--net', 'remapped', IMAGE, 'sh', '-c', look);
      assert.match(seen, /^0 +265536 +65536\n0\n0\nby name$/);
      const terminal = new TerminalSession('docker exec -it -u 1000 c1 sh', env);
      terminal.type('test -t 0 && id -u\n');
      await terminal.until(/^1000\r?$/m);
      terminal.type('exit 3\n');
      assert.equal((await terminal.end()).code, 3);
      assert.match(
        (await refused('run', '--privileged', IMAGE, 'id')).stderr,
        /privileged mode is incompatible with user/,
      );
      assert.match((await refused('run', '--net', 'host', IMAGE, 'id')).stderr, /share the host's network namespace/);
      assert.match(
        await docker('run', '--rm', '--userns=host', '--privileged', IMAGE, 'cat', '/proc/self/uid_map'),
        /^0 +0 /,
      );
      await docker('rm', '-f', 'c1');
      await docker('network', 'rm', 'remapped');
    } finally {
      await lab.restart('m1');
    }
    assert.notEqual(await docker('images', '-q'), '', 'the images of the other data root');
  });

  it('nothing is left', async () => {
    assert.equal(await docker('ps', '-aq'), '');
    assert.equal(failed(await lab.docker('m1', 'inspect', 'c1')).includes('No such object'), true);
  });
});
