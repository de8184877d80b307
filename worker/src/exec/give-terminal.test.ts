/** Whose the terminals of processes are. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTerminal } from 'vxlan-tools';
import { giveTerminal } from './give-terminal.js';

const USER = 1000;

describe('the terminal of a process', () => {
  const children: ChildProcess[] = [];
  const open: number[] = [];
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-terminal-'));
  });
  afterEach(async () => {
    for (const c of children.splice(0)) {
      c.kill('SIGKILL');
      await once(c, 'exit');
    }
    for (const fd of open.splice(0)) closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  });
  const withInput = (fd: number) => {
    const child = spawn('sleep', ['60'], { stdio: [fd, 'ignore', 'ignore'] });
    children.push(child);
    return child.pid ?? assert.fail('sleep did not start');
  };
  const inputOf = (pid: number) => statSync(`/proc/${pid}/fd/0`);

  it('becomes its user’s, and stays with its group', () => {
    const { master, slave } = openTerminal({ rows: 24, columns: 80 });
    open.push(master, slave);
    const pid = withInput(slave);
    const { gid } = inputOf(pid);
    giveTerminal(pid, USER);
    assert.deepEqual([inputOf(pid).uid, inputOf(pid).gid], [USER, gid]);
  });

  it('is not what else the process has for its input', () => {
    const file = join(dir, 'file');
    writeFileSync(file, 'x');
    for (const path of [file, '/dev/null']) {
      const fd = openSync(path, 'r');
      open.push(fd);
      const pid = withInput(fd);
      const { uid } = inputOf(pid);
      giveTerminal(pid, USER);
      assert.equal(inputOf(pid).uid, uid, path);
    }
  });

  it('may be gone', () => giveTerminal(2 ** 22 + 1, USER));
});
