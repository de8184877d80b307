import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { remappedIds } from './remap-user.js';

/** A machine with users of its own; useradd and usermod do to it what the real ones do. */
class Machine {
  readonly subuid: string;
  readonly subgid: string;
  readonly commands: string[] = [];
  fails = '';
  readonly #users = new Map([
    ['root', 0],
    ['alice', 1000],
    ['bob', 1001],
  ]);

  constructor(dir: string) {
    this.subuid = join(dir, 'subuid');
    this.subgid = join(dir, 'subgid');
  }

  readonly run = async ([program = '', ...args]: readonly string[]) => {
    const key = args.at(-1) ?? '';
    const answer = (code: number, stdout = '', stderr = '') => ({
      code,
      stdout: Buffer.from(stdout),
      stderr: Buffer.from(stderr),
    });
    if (program === 'getent') {
      const entry = [...this.#users].find(([name, id]) => name === key || String(id) === key);
      return entry ? answer(0, `${entry[0]}:x:${entry[1]}:${entry[1]}::/:/bin/sh\n`) : answer(2);
    }
    this.commands.push([program, ...args].join(' '));
    if (program === this.fails) return answer(1, '', `${program}: cannot lock /etc/passwd`);
    if (program === 'useradd') this.#users.set(key, 996);
    if (program === 'usermod') {
      for (const [flag, file] of [
        ['--add-subuids', this.subuid],
        ['--add-subgids', this.subgid],
      ] as const) {
        if (!args.includes(flag)) continue;
        const [first = 0, last = 0] = (args[args.indexOf(flag) + 1] ?? '').split('-').map(Number);
        writeFileSync(file, `${readFileSync(file, 'utf8')}${key}:${first}:${last - first + 1}\n`);
      }
    }
    return answer(0);
  };
}

describe('the ids that containers are given', () => {
  let dir: string;
  let machine: Machine;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-subids-'));
    machine = new Machine(dir);
    writeFileSync(machine.subuid, '# ours\nalice:300000:1000\nbob:100000:65536\nalice:200000:65536\nbroken:x:1\n');
    writeFileSync(machine.subgid, 'alice:400000:65536\n1001:500000:10\n');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const refused = (spec: string, message: RegExp) =>
    assert.rejects(remappedIds(spec, machine), (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));

  it('are all ranges of the user, the lowest first', async () => {
    const uids = [
      { containerId: 0, hostId: 200_000, size: 65_536 },
      { containerId: 65_536, hostId: 300_000, size: 1000 },
    ];
    const gids = [{ containerId: 0, hostId: 400_000, size: 65_536 }];
    for (const spec of ['alice', '1000', 'alice:alice', '1000:1000']) {
      assert.deepEqual(await remappedIds(spec, machine), { uids, gids }, spec);
    }
  });

  it('may be those of another group, and be listed by number', async () => {
    const ids = await remappedIds('alice:bob', machine);
    assert.equal(ids?.gids[0]?.hostId, 400_000, 'what the user itself may give away counts');
    assert.equal((await remappedIds('bob', machine))?.gids[0]?.hostId, 500_000);
  });

  it('come from a user that is made for that, with the first range that nobody has', async () => {
    const ids = await remappedIds('default', machine);
    const range = [{ containerId: 0, hostId: 500_010, size: 65_536 }];
    assert.deepEqual(ids, { uids: range, gids: range });
    assert.deepEqual(machine.commands, [
      'useradd --system --user-group --no-create-home --shell /bin/false dockremap',
      'usermod --add-subuids 500010-565545 --add-subgids 500010-565545 dockremap',
    ]);
    assert.deepEqual(await remappedIds('default', machine), ids);
    assert.equal(machine.commands.length, 2, 'which is done once');
  });

  it('are the machine’s own for root', async () => {
    assert.equal(await remappedIds('root', machine), undefined);
    assert.equal(await remappedIds('0:0', machine), undefined);
  });

  it('are refused with what is missing', async () => {
    await refused('', /invalid user\/group specification in --userns-remap: ""/);
    await refused('a:b:c', /invalid user\/group specification in --userns-remap: "a:b:c": use USER\[:GROUP\]/);
    await refused('carol', /"carol" has no entry in \/etc\/passwd: name a user that exists/);
    await refused('alice:carol', /"carol" has no entry in \/etc\/group: name a group that exists/);
    writeFileSync(machine.subgid, '');
    await refused('bob', /no subordinate ids for bob in .*subgid: add a line such as bob:165536:65536/);
    rmSync(machine.subuid);
    await refused('bob', /no subordinate ids for bob in .*subuid/);
    machine.fails = 'useradd';
    await assert.rejects(
      remappedIds('default', machine),
      (e) => isSwarmtsError(e, 'failed-precondition') && /cannot lock \/etc\/passwd: make a user/.test(e.message),
    );
  });
});
