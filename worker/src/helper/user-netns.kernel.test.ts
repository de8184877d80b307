/** Network namespaces that belong to user namespaces. Needs root. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isSwarmtsError } from '@swarmts/lib';
import type { PrivilegedHelper } from './helper-api.js';
import { startTestHost, type TestHost } from './test-host.js';

const RANGES = [
  { containerId: 0, hostId: 300_000, size: 1000 },
  { containerId: 1000, hostId: 500_000, size: 50 },
];
const IDS = { uids: RANGES, gids: RANGES };

describe('a network namespace of a user namespace', function () {
  this.timeout(60_000);
  let host: TestHost;
  let helper: PrivilegedHelper;
  beforeEach(async () => {
    host = await startTestHost();
    helper = host.helper;
  });
  afterEach(() => host.close());

  const inside = async (userns: string, netns: string, script: string): Promise<string> => {
    const env = { PATH: process.env.PATH ?? '' };
    const argv = ['nsenter', `--user=${userns}`, `--net=${netns}`, 'sh', '-c', script];
    const { stdout, stderr } = await helper.run({ argv, env });
    return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
  };
  const descriptors = () => readdirSync(`/proc/${helper.pid}/fd`).length;

  it('is that of its root, with all ranges of ids', async () => {
    const [userns, netns, other] = [host.path('u'), host.path('n'), host.path('o')];
    const before = descriptors();
    await helper.createUserNetns({ userns, netns, ids: IDS });
    const script = 'cat /proc/self/uid_map; ip link set lo up && echo mine; echo 7 > /proc/sys/net/ipv4/ip_default_ttl';
    assert.match(await inside(userns, netns, script), /^ +0 +300000 +1000\n +1000 +500000 +50\nmine\n$/);
    await helper.createUserNetns({ userns, netns: other, ids: IDS });
    assert.match(await inside(userns, other, 'ip link set lo up && cat /proc/sys/net/ipv4/ip_default_ttl'), /^64\n$/);
    await helper.createUserNetns({ userns, netns, ids: IDS });
    assert.match(await inside(userns, netns, 'cat /proc/sys/net/ipv4/ip_default_ttl'), /^64\n$/, 'made anew');
    assert.equal(descriptors(), before);
    for (const path of [userns, netns, other]) await helper.detachLocal(path);
  });

  it('is not there when the kernel does not take the ids, or has no room for one', async () => {
    const [userns, netns] = [host.path('u'), host.path('n')];
    const before = descriptors();
    const twice = [...RANGES, { containerId: 500, hostId: 900_000, size: 10 }];
    await assert.rejects(
      helper.createUserNetns({ userns, netns, ids: { uids: twice, gids: RANGES } }),
      (e) =>
        isSwarmtsError(e, 'internal') &&
        /does not take these ids for a user namespace: 0 300000 1000, .*, 500 900000 10: EINVAL/.test(e.message),
    );
    const gone = `/proc/${helper.pid}/ns/net`;
    await assert.rejects(
      helper.createUserNetns({ userns: gone, netns, ids: IDS }),
      /no user namespace could be made: nsenter: .* \(sysctl user\.max_user_namespaces\?\)/,
    );
    assert.deepEqual([existsSync(userns), existsSync(netns)], [false, false]);
    assert.equal(descriptors(), before);
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(netns));
  });
});
