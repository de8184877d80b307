import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { capabilityInside, capabilityOnHost } from './file-capabilities.js';
import { type IdMaps, ownerInside, ownerOnHost } from './id-map.js';

const RANGES = [
  { containerId: 0, hostId: 100_000, size: 10 },
  { containerId: 10, hostId: 50_000, size: 5 },
];
const MAPS: IdMaps = { uids: RANGES, gids: RANGES };
/** cap_net_raw+ep in the two revisions. */
const REVISION_2 = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1');
const REVISION_3 = Buffer.from('0100000300200000000000000000000000000000a0860100', 'hex').toString('latin1');

describe('ids inside and outside of a user namespace', () => {
  it('stand for each other in every range', () => {
    for (const [inside, outside] of [
      [0, 100_000],
      [9, 100_009],
      [10, 50_000],
      [14, 50_004],
    ] as const) {
      assert.deepEqual(ownerOnHost(MAPS, { uid: inside, gid: 0 }), { uid: outside, gid: 100_000 });
      assert.deepEqual(ownerInside(MAPS, { uid: outside, gid: 50_000 }), { uid: inside, gid: 10 });
    }
  });

  it('are the same without a namespace', () => {
    assert.deepEqual(ownerOnHost(undefined, { uid: 7, gid: 8 }), { uid: 7, gid: 8 });
    assert.deepEqual(ownerInside(undefined, { uid: 7, gid: 8 }), { uid: 7, gid: 8 });
  });

  it('are refused where the inside has none, and shown as nobody where the outside is not of it', () => {
    assert.throws(
      () => ownerOnHost(MAPS, { uid: 0, gid: 15 }),
      (e) =>
        isSwarmtsError(e, 'invalid-argument') &&
        e.message === 'Container ID 15 cannot be mapped to a host ID: the user namespace has ids up to 14',
    );
    assert.deepEqual(ownerInside(MAPS, { uid: 0, gid: 100_010 }), { uid: 65_534, gid: 65_534 });
  });

  it('make capabilities of files count for the root of the namespace', () => {
    assert.equal(capabilityOnHost(MAPS, REVISION_2), REVISION_3);
    assert.equal(capabilityInside(MAPS, REVISION_3), REVISION_2);
    assert.equal(capabilityOnHost(undefined, REVISION_2), REVISION_2);
    assert.equal(capabilityOnHost(MAPS, 'short'), 'short', 'the kernel says what it thinks of it');
    assert.equal(capabilityInside({ uids: [], gids: [] }, REVISION_3), REVISION_3, 'of another namespace');
  });
});
