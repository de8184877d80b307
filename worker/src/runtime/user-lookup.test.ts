/** Users and the runtime's complaints. */
import assert from 'node:assert/strict';
import { execFailure, runtimeMessage, startFailure } from './runtime-errors.js';
import { resolveUser } from './user-lookup.js';

const PASSWD =
  'root:x:0:0:root:/root:/bin/sh\n# comment\nalice:x:1000:100:Alice:/home/alice:/bin/sh\nbroken\n123:x:5:6::/n:\n';
const GROUP = 'root:x:0:\nusers:x:100:\nstaff:x:50:alice,bob\nwheel:x:10:alice\n';

describe('a user specification', () => {
  const table: [string, string[], [number, number, number[], string]][] = [
    ['', [], [0, 0, [0], '/root']],
    ['alice', [], [1000, 100, [100, 50, 10], '/home/alice']],
    ['1000', [], [1000, 100, [100, 50, 10], '/home/alice']],
    ['alice:wheel', [], [1000, 10, [10], '/home/alice']],
    ['alice:77', [], [1000, 77, [77], '/home/alice']],
    ['4711', [], [4711, 0, [0], '/']],
    ['4711:815', ['staff', '9'], [4711, 815, [815, 50, 9], '/']],
    ['123', [], [5, 6, [6], '/n']],
    [':users', [], [0, 100, [100], '/root']],
  ];
  for (const [spec, groups, [uid, gid, additionalGids, home]] of table) {
    it(`'${spec}' with groups [${groups}]`, () => {
      assert.deepEqual(resolveUser(spec, groups, PASSWD, GROUP), { uid, gid, additionalGids, home });
    });
  }

  const refused: [string, string[], RegExp][] = [
    ['bob', [], /^unable to find user bob: no matching entries in passwd file$/],
    ['alice:nosuch', [], /^unable to find group nosuch: no matching entries in group file$/],
    ['0', ['nosuch'], /unable to find group nosuch/],
    ['-1', [], /uids and gids must be in range 0-2147483647/],
    ['2147483648', [], /must be in range/],
  ];
  for (const [spec, groups, message] of refused) {
    it(`'${spec}' is refused`, () => assert.throws(() => resolveUser(spec, groups, PASSWD, GROUP), { message }));
  }

  it('works without any file', () => {
    assert.equal(resolveUser('7:8', [], '', '').gid, 8);
    assert.throws(() => resolveUser('root', [], '', ''), /unable to find user root/);
  });
});

describe('a complaint of the OCI runtime', () => {
  const table: [string, number][] = [
    ['runc create failed: unable to start container process: exec: "x": executable file not found in $PATH', 127],
    ['runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory', 127],
    ['executable file `x` not found in $PATH: No such file or directory', 127],
    ['runc create failed: unable to start container process: exec: "/x": permission denied', 126],
    ['runc create failed: unable to start container process: exec /x: exec format error', 126],
    ['runc create failed: unable to start container process: exec: "/tmp": is a directory', 126],
    [
      'runc create failed: unable to start container process: error during container init: error mounting "/x" to rootfs at "/y": no such file or directory',
      128,
    ],
    ['cannot allocate memory', 128],
  ];
  for (const [text, code] of table)
    it(`means ${code}: ${text.slice(-50)}`, () => assert.equal(startFailure(text).exitCode, code));

  it('about a directory that is not there is not about the command', () => {
    const { exitCode, message } = execFailure('chdir `/nope`: No such file or directory');
    const why = 'chdir to cwd ("/nope") set in config.json failed: no such file or directory';
    assert.deepEqual([exitCode, message.includes(`unable to start container process: ${why}: unknown`)], [126, true]);
    assert.equal(execFailure('executable file `x` not found in $PATH').exitCode, 127);
  });

  it('about a command without a name is that there is none', () => {
    const { exitCode, message } = startFailure('open executable: Permission denied', '');
    assert.deepEqual([exitCode, /exec: "": executable file not found in \$PATH: unknown$/.test(message)], [127, true]);
    assert.equal(execFailure('open executable: Permission denied', '').exitCode, 127);
    assert.equal(startFailure('open executable: Permission denied', '/etc').exitCode, 126);
  });

  it('is freed of the decoration of log files', () => {
    assert.equal(
      runtimeMessage('x\ntime="2020" level=error msg="runc create failed: \\"a\\" b"\n'),
      'runc create failed: "a" b',
    );
    assert.equal(runtimeMessage('{"level":"error","msg":"no \\"x\\"","time":""}'), 'no "x"');
    assert.equal(runtimeMessage('plain'), 'plain');
    const missing = (path: string) =>
      runtimeMessage(`executable file \`${path}\` not found: No such file or directory`);
    assert.match(missing('/x'), /exec: "\/x": stat \/x: no such file or directory$/);
    assert.match(missing('x'), /exec: "x": executable file not found in \$PATH$/);
    assert.equal(runtimeMessage(''), '');
  });
});
