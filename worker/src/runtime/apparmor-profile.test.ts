import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import type { ProcessSpec, RunResult } from '../helper/helper-api.js';
import { apparmorParser, DEFAULT_PROFILE, DefaultProfile, profileText } from './apparmor-profile.js';

/** Runs programs as the helper does. */
const helper = {
  run: ({ argv: [program = '', ...args], env }: ProcessSpec): Promise<RunResult> =>
    new Promise((resolve) => {
      execFile(program, args, { env, encoding: 'buffer' }, (e, stdout, stderr) =>
        resolve({ code: e ? Number(e.code) : 0, signal: '', stdout, stderr }),
      );
    }),
};

describe('the AppArmor profile of containers', () => {
  let dir: string;
  const { PATH } = process.env;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-apparmor-'));
    mkdirSync(join(dir, 'sys/kernel/security/apparmor'), { recursive: true });
    writeFileSync(join(dir, 'sys/kernel/security/apparmor/profiles'), '/usr/sbin/ntpd (complain)\n');
  });
  afterEach(() => {
    process.env.PATH = PATH;
    rmSync(dir, { recursive: true });
  });

  /** A parser that tells the "kernel" what it has read. */
  const install = (script: string) => {
    const path = join(dir, 'apparmor_parser');
    writeFileSync(path, `#!/bin/sh\necho "$@" >> ${dir}/calls\n${script}\n`);
    chmodSync(path, 0o755);
    process.env.PATH = `${dir}:${PATH}`;
  };
  const profiles = () => join(dir, 'sys/kernel/security/apparmor/profiles');
  const calls = () =>
    existsSync(join(dir, 'calls')) ? readFileSync(join(dir, 'calls'), 'utf8').split('\n').length - 1 : 0;
  const profile = () => {
    const parser = apparmorParser() ?? '';
    assert.equal(parser, join(dir, 'apparmor_parser'), 'found on the PATH');
    return new DefaultProfile({ helper, parser, directory: dir, sys: join(dir, 'sys'), etc: join(dir, 'none') });
  };
  const LOADS = 'sed -n "s/^profile \\([^ ]*\\) .*/\\1 (enforce)/p" "$2" >> PROFILES';

  it('is loaded once, and again when somebody has taken it away', async () => {
    install(LOADS.replace('PROFILES', profiles()));
    const p = profile();
    await p.ensure();
    await p.ensure();
    assert.equal(calls(), 1);
    assert.equal(readFileSync(join(dir, 'calls'), 'utf8'), `-Kr ${join(dir, DEFAULT_PROFILE)}\n`);
    assert.match(readFileSync(profiles(), 'utf8'), /^swarmts-default \(enforce\)$/m);
    writeFileSync(profiles(), '');
    await p.ensure();
    assert.equal(calls(), 2);
  });

  it('is missed with what the parser says', async () => {
    install('echo "AppArmor parser error at line 3: syntax error" >&2; exit 1');
    await assert.rejects(
      profile().ensure(),
      (e) =>
        isSwarmtsError(e, 'failed-precondition') &&
        /^AppArmor is enabled, but the profile swarmts-default could not be loaded: .* syntax error$/.test(e.message),
    );
  });

  it('takes what the distribution has, and does without', () => {
    const full = profileText({ own: 'swarmtsd', includes: () => true });
    assert.match(
      full,
      /^#include <tunables\/global>\nprofile swarmts-default .*\{\n {2}#include <abstractions\/base>\n/,
    );
    assert.match(full, /signal \(receive\) peer="swarmtsd",/);
    const bare = profileText({ own: '', includes: () => false });
    assert.match(bare, /^@\{PROC\}=\/proc\/\n/);
    assert.doesNotMatch(bare, /include/);
  });

  it('lets containers write where the kernel has something of their own', () => {
    const denied = deniedFor('w');
    const open = ['/proc/7/oom_score_adj', '/proc/sys/kernel/shmmax', '/sys/fs/cgroup/memory/x', '/etc/passwd'];
    for (const path of open) assert.equal(denied(path), false, path);
    const closed = [
      ...['/proc/sysrq-trigger', '/proc/kcore', '/proc/irq/1/smp_affinity', '/proc/sys/net/ipv4/ip_forward'],
      ...['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/sysrq', '/proc/sysvipc/shm', '/proc/scsi/scsi'],
      ...['/sys/kernel/uevent_helper', '/sys/firmware/efi', '/sys/fs/ext4/x', '/sys/fs/cgroups/x', '/sys/module/a/b'],
    ];
    for (const path of closed) assert.equal(denied(path), true, path);
    assert.equal(deniedFor('r')('/proc/kcore'), true);
    assert.equal(deniedFor('r')('/sys/class/net/lo/mtu'), false);
  });
});

/** AppArmor's globs as far as the profile has them: ** is anything, * no slash. */
function deniedFor(access: string): (path: string) => boolean {
  const rules = profileText({ own: '', includes: () => false }).matchAll(/^ {2}deny (\S*\/\S*) (\w+),$/gm);
  const patterns = [...rules].flatMap(([, glob = '', modes = '']) => {
    const text = glob
      .replace('@{PROC}', '/proc')
      .replaceAll('**', '\0')
      .replaceAll('*', '[^/]*')
      .replaceAll('\0', '.*');
    return modes.includes(access) ? [new RegExp(`^${text}$`)] : [];
  });
  assert.ok(patterns.length > 3);
  return (path) => patterns.some((p) => p.test(path));
}
