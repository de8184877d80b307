/** Real conmon with a real OCI runtime. Needs root, conmon and runc. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { findProgram } from 'vxlan-tools';
import type { MonitorStarted } from './helper-api.js';
import { parseReport, pidFileArgument, sentenceOf } from './start-monitor.js';
import { eventually, isRunning, startTestHost, type TestHost } from './test-host.js';

const env = { PATH: process.env.PATH ?? '' };

describe('starting a container monitor', function () {
  this.timeout(60_000);
  let host: TestHost;
  let id: string;
  let bundle: string;

  beforeEach(async () => {
    host = await startTestHost();
    id = `swarmts-test-${process.pid}-${Date.now()}`;
    bundle = join(host.dir, 'bundle');
    mkdirSync(join(bundle, 'rootfs/bin'), { recursive: true });
    for (const dir of ['proc', 'dev', 'sys']) mkdirSync(join(bundle, 'rootfs', dir));
    copyFileSync(findProgram('busybox'), join(bundle, 'rootfs/bin/sh'));
    await host.helper.run({ argv: ['runc', 'spec', '--bundle', bundle], env });
    const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
    config.process.terminal = false;
    config.process.args = ['sh', '-c', 'echo started; exit 7'];
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  });

  afterEach(async () => {
    await runc('delete', '-f', id);
    await host.close();
  });

  const runc = (...args: string[]) =>
    host.helper.run({ argv: ['runc', '--root', join(host.dir, 'runc'), ...args], env });

  const monitorArgs = (...more: string[]) => [
    'conmon',
    '-c',
    id,
    '-u',
    id,
    '-r',
    findProgram('runc'),
    '-b',
    bundle,
    '-p',
    join(host.dir, 'pid'),
    '-l',
    `k8s-file:${join(host.dir, 'log')}`,
    '--exit-dir',
    host.dir,
    '--socket-dir-path',
    host.dir,
    '--runtime-arg',
    '--root',
    '--runtime-arg',
    join(host.dir, 'runc'),
    ...more,
  ];

  it('gives the pids of monitor and container, and the monitor outlives the helper', async () => {
    const started = await host.helper.startMonitor({ argv: monitorArgs('-P', join(host.dir, 'conmon.pid')), env });
    assert.equal(readFileSync(join(host.dir, 'conmon.pid'), 'utf8'), String(started.monitorPid));
    assert.equal(parentOf(started.pid), started.monitorPid);
    assert.equal(sessionOf(started.monitorPid), started.monitorPid);
    const helperPid = host.helper.pid;
    process.kill(helperPid, 'SIGKILL');
    await eventually('a new helper', () => host.helper.pid !== helperPid && host.helper.pid !== 0);
    assert.equal(parentOf(started.pid), started.monitorPid, 'the monitor lives');
    assert.equal((await runc('start', id)).code, 0);
    await ended(started);
    assert.equal(readFileSync(join(host.dir, id), 'utf8'), '7', 'the exit code, written by the monitor');
    assert.match(readFileSync(join(host.dir, 'log'), 'utf8'), /stdout F started\n/);
  });

  it('finds the monitor without a pid file, and passes the words of the OCI runtime on', async () => {
    const started = await host.helper.startMonitor({ argv: monitorArgs('--api-version', '1'), env });
    assert.equal(parentOf(started.pid), started.monitorPid);
    await assert.rejects(
      host.helper.startMonitor({ argv: monitorArgs(), env }),
      (e) => isSwarmtsError(e, 'failed-precondition') && /^runc create failed: .*already exists/.test(e.message),
    );
    await runc('delete', '-f', id);
    await ended(started);
  });

  it('says why a monitor did not start', async () => {
    const bad = { argv: ['conmon', '--no-such-flag'], env };
    await assert.rejects(
      host.helper.startMonitor(bad),
      (e) => isSwarmtsError(e) && /ended \(exit code 1\)/.test(e.message),
    );
    const loud = { argv: ['sh', '-c', 'echo why >&2; exit 9'], env };
    await assert.rejects(host.helper.startMonitor(loud), /exit code 9\) before the container was created: why/);
    await assert.rejects(host.helper.startMonitor({ argv: ['no-such-monitor'] }), (e) =>
      isSwarmtsError(e, 'not-found'),
    );
  });

  it('understands every form of report', () => {
    const spec = { argv: ['conmon', '-P', join(host.dir, 'none')] };
    for (const line of ['{"pid": -1, "message": "boom"}', '{"data": -1, "message": "boom\\n"}']) {
      assert.throws(
        () => parseReport(line, spec),
        (e) => isSwarmtsError(e) && e.message === 'boom',
      );
    }
    assert.throws(() => parseReport('{"pid": -1}', spec), /the OCI runtime failed/);
    const early = parseReport(`{"data": ${process.pid}}`, spec);
    assert.deepEqual(early, { pid: process.pid, monitorPid: process.ppid }, 'before its pid file is written');
    assert.equal(sentenceOf('time="x" level=error msg="runc: \\"a\\" fails"'), 'runc: "a" fails');
    assert.equal(sentenceOf('{"level":"error","msg":"broken bundle","time":"x"}'), 'broken bundle');
    assert.equal(sentenceOf('plain words'), 'plain words');
    assert.equal(pidFileArgument(['conmon', '--conmon-pidfile=/x']), '/x');
    assert.equal(pidFileArgument(['conmon', '-p', '/y']), undefined);
  });
});

function field(pid: number, index: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[index]);
}

const parentOf = (pid: number): number => field(pid, 1);
const sessionOf = (pid: number): number => field(pid, 3);

async function ended({ monitorPid, pid }: MonitorStarted): Promise<void> {
  for (const one of [pid, monitorPid]) await eventually(`end of ${one}`, () => !isRunning(one));
}
