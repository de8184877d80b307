/** The helper as the daemon sees it: processes, monitors, mounts, restarts. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import type { PrivilegedHelper } from './helper-api.js';
import { QUICK_RESTARTS } from './helper-client.js';
import { MAX_CAPTURE_BYTES } from './run-process.js';
import { eventually, isRunning, startTestHost, type TestHost } from './test-host.js';

const env = { PATH: process.env.PATH ?? '' };

describe('the helper', function () {
  this.timeout(60_000);
  let host: TestHost;
  let helper: PrivilegedHelper;

  const sh = (script: string, more: object = {}) => helper.run({ argv: ['sh', '-c', script], env, ...more });
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

  beforeEach(async () => {
    host = await startTestHost();
    helper = host.helper;
  });

  afterEach(async () => {
    await host.close();
  });

  it('runs a process and gives back code, output and errors', async () => {
    const result = await sh('cat; echo bad >&2; exit 3', { stdin: Buffer.from('input') });
    assert.deepEqual([result.code, result.signal, text(result.stdout), text(result.stderr)], [3, '', 'input', 'bad\n']);
    assert.deepEqual((await sh('kill -KILL $$')).signal, 'SIGKILL');
  });

  it('passes megabytes through stdin and stdout, and cuts what is beyond the limit', async () => {
    const input = Buffer.alloc(3 * 1024 * 1024, 'x');
    assert.deepEqual((await sh('cat', { stdin: input })).stdout.length, input.length);
    const flood = await sh(`head -c ${MAX_CAPTURE_BYTES + 1000} /dev/zero; echo end >&2`);
    assert.equal(flood.stdout.length, MAX_CAPTURE_BYTES);
    assert.equal(text(flood.stderr), 'end\n');
  });

  it('runs many processes at once', async () => {
    const results = await Promise.all(Array.from({ length: 40 }, (_, i) => sh(`echo ${i}; exit ${i}`)));
    assert.deepEqual(
      results.map((r) => [r.code, text(r.stdout)]),
      results.map((_, i) => [i, `${i}\n`]),
    );
  });

  it('starts in a directory, with an environment and a namespace of its own, appending to files', async () => {
    const netns = host.path('n');
    await helper.createNetns(netns);
    const stdoutFile = join(host.dir, 'out');
    for (const word of ['one', 'two']) {
      await helper.run({
        argv: ['sh', '-c', 'echo $WORD; pwd; ls /sys/class/net >/dev/null; cat /proc/self/net/dev | wc -l'],
        env: { ...env, WORD: word },
        cwd: host.dir,
        netns,
        stdoutFile,
      });
    }
    // Two heading lines and the loopback.
    assert.equal(readFileSync(stdoutFile, 'utf8'), `one\n${host.dir}\n3\ntwo\n${host.dir}\n3\n`);
  });

  it('says what is missing', async () => {
    await assert.rejects(helper.run({ argv: ['no-such-program'] }), (e) => isSwarmtsError(e, 'not-found'));
    await assert.rejects(helper.run({ argv: ['true'], netns: join(host.dir, 'nope') }), (e) =>
      isSwarmtsError(e, 'not-found'),
    );
    await assert.rejects(helper.run({ argv: ['true'], cwd: '/no/such/dir' }), (e) => isSwarmtsError(e, 'not-found'));
  });

  it('kills a process group when its caller gives up', async () => {
    const abort = new AbortController();
    const pidFile = join(host.dir, 'pid');
    const running = helper.run(
      { argv: ['sh', '-c', `sleep 1000 & echo $! > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; wait`], env },
      abort.signal,
    );
    const pid = await readWhenThere(pidFile);
    abort.abort();
    await assert.rejects(running, (e) => isSwarmtsError(e, 'aborted'));
    await gone(Number(pid));
    await assert.rejects(helper.run({ argv: ['true'] }, AbortSignal.abort()), (e) => isSwarmtsError(e, 'aborted'));
  });

  it('does not wait for ever for output that a background process holds open', async () => {
    const result = await sh('sleep 1000 & echo $!');
    const pid = Number(text(result.stdout));
    assert.ok(await helper.kill(pid, 9));
    await gone(pid);
    const finished = Number(text((await sh('echo $$')).stdout));
    assert.equal(await helper.kill(finished, 0), false);
  });

  it('leaks neither descriptors nor zombies', async () => {
    await sh('true');
    const before = readdirSync(`/proc/${helper.pid}/fd`).length;
    for (let i = 0; i < 20; i++) {
      await sh('echo x; echo y >&2', { stdin: Buffer.from('z') });
      await assert.rejects(helper.run({ argv: ['/no/such'], stdin: Buffer.from('z') }));
    }
    assert.equal(readdirSync(`/proc/${helper.pid}/fd`).length, before);
    assert.equal(readFileSync(`/proc/${helper.pid}/task/${helper.pid}/children`, 'utf8').trim(), '');
    const fds = text((await sh('ls -l /proc/$$/fd')).stdout);
    assert.doesNotMatch(fds, /socket:|anon_inode/);
  });

  it('mounts, binds and unmounts', async () => {
    const target = join(host.dir, 'mnt');
    mkdirSync(target);
    await helper.mount({ source: 'tmpfs', target, fstype: 'tmpfs', flags: ['nosuid'], data: 'size=1m' });
    writeFileSync(join(target, 'file'), 'x');
    await helper.unmount(target);
    assert.equal(existsSync(join(target, 'file')), false);
    await helper.unmount(target);
    await assert.rejects(
      helper.mount({ source: 'x', target, fstype: 'no-such-fs' }),
      (e) => isSwarmtsError(e) && e.message.includes('ENODEV'),
    );
  });

  it('reports the kernel on refused rules and lists with options', async () => {
    await helper.nft('add table inet t');
    assert.match(await helper.nftList('-a list table inet t'), /# handle \d+/);
    await assert.rejects(
      helper.nft('add rule inet t nothing accept'),
      (e) => isSwarmtsError(e) && /No such file/.test(e.message),
    );
    const netns = host.path('n');
    await helper.createNetns(netns);
    await helper.nft('add table inet other', netns);
    assert.match(await helper.nftList('list tables', netns), /^table inet other\n$/);
    assert.match(await helper.nftList('list tables'), /^table inet t\n$/);
  });

  it('writes sysctls of the network only', async () => {
    await helper.setSysctls({ 'net.ipv4.ip_forward': '1' });
    const netns = host.path('n');
    await helper.createNetns(netns, { 'net/ipv4/ip_default_ttl': '77' });
    assert.equal(
      text((await sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ip_default_ttl')).stdout),
      '1\n64\n',
    );
    assert.equal(text((await sh('cat /proc/sys/net/ipv4/ip_default_ttl', { netns })).stdout), '77\n');
    for (const name of ['kernel.hostname', 'net/../kernel/hostname', 'net..x', 'net.ipv4.no_such']) {
      await assert.rejects(helper.setSysctls({ [name]: 'x' }), (e) => isSwarmtsError(e, 'invalid-argument'), name);
    }
  });

  it('lives in its own session and holds a small heap', () => {
    const stat = readFileSync(`/proc/${helper.pid}/stat`, 'utf8');
    const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    assert.equal(Number(session), helper.pid);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${helper.pid}/status`, 'utf8'))?.[1]);
    assert.ok(rss < 100 * 1024, `${rss} KiB`);
    assert.notEqual(readlinkSync(`/proc/${helper.pid}/ns/net`), readlinkSync('/proc/self/ns/net'));
  });

  it('ignores the signals of a terminal, and ends what it runs when the daemon closes', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(helper.pid, signal);
    assert.equal(text((await sh('echo alive')).stdout), 'alive\n');
    const pidFile = join(host.dir, 'pid');
    const running = sh(`echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; sleep 1000`);
    const outcome = assert.rejects(running, (e) => isSwarmtsError(e, 'unavailable') && e.retryable);
    const pid = Number(await readWhenThere(pidFile));
    await helper.close();
    await outcome;
    await gone(pid);
    await assert.rejects(sh('true'), (e) => isSwarmtsError(e, 'aborted'));
  });

  it('is started again when it dies, and with a pause when it dies often', async () => {
    for (let i = 0; i < QUICK_RESTARTS; i++) {
      const pid = helper.pid;
      const running = sh('sleep 1000');
      const outcome = assert.rejects(running, (e) => isSwarmtsError(e, 'unavailable') && e.retryable);
      // The answer to this one says that the other has been received, too.
      const child = text((await sh('cat /proc/$PPID/task/$PPID/children')).stdout)
        .trim()
        .split(' ')[0];
      process.kill(pid, 'SIGKILL');
      await outcome;
      assert.equal(text((await sh('echo back')).stdout), 'back\n');
      assert.notEqual(helper.pid, pid);
      await helper.kill(Number(child), 9);
    }
    const last = helper.pid;
    process.kill(last, 'SIGKILL');
    await assert.rejects(sh('sleep 1000'), (e) => isSwarmtsError(e, 'unavailable'));
    await assert.rejects(sh('true'), (e) => isSwarmtsError(e, 'unavailable') && e.retryable);
    await eventually('another helper', () => helper.pid !== last && helper.pid !== 0);
    assert.equal(text((await sh('echo back')).stdout), 'back\n');
  });

  it('is started again when it dies before it has answered', async () => {
    const first = helper.pid;
    process.kill(first, 'SIGKILL');
    await eventually('the next one is there', () => children().some((pid) => pid !== first));
    const early = children().find((pid) => pid !== first) ?? 0;
    process.kill(early, 'SIGKILL');
    await eventually('one that answers', () => helper.pid !== 0 && helper.pid !== first && helper.pid !== early);
    assert.equal(text((await sh('echo back')).stdout), 'back\n');
  });
});

/** This process's own children, before and after their exec; zombies are among them. */
function children(): readonly number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)
    .filter(isRunning);
}

async function readWhenThere(path: string): Promise<string> {
  await eventually(path, () => existsSync(path));
  return readFileSync(path, 'utf8').trim();
}

function gone(pid: number): Promise<void> {
  return eventually(`end of ${pid}`, () => !isRunning(pid));
}
