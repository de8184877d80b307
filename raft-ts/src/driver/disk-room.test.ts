import assert from 'node:assert/strict';
import { RaftError } from '../errors.js';
import type { DiskLog } from '../storage/disk-log.js';
import { DiskRoom } from './disk-room.js';

describe('room on a disk', () => {
  it('is short until a write that found none is done, however long it takes to try it again', async () => {
    const told: boolean[] = [];
    const nothing = () => undefined;
    const log = { isRunningOut: false, askForRoom: nothing } as unknown as DiskLog;
    const onChange = (isShort: boolean) => void told.push(isShort);
    const room = new DiskRoom(log, { onWaiting: nothing, patienceTicks: 1_000, onPatienceOver: nothing, onChange });
    const tick = async () => {
      room.tick();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const again: (() => void)[] = [];
    let tries = 0;
    const written = room.untilWritten(async () => {
      if (++tries === 1) throw new RaftError('no-space', 'there is no room');
      await new Promise<void>((resolve) => again.push(resolve));
    });
    for (let n = 0; n < 50; n++) await tick();
    assert.deepEqual([tries, told, room.isShort], [2, [true], true]);
    again[0]?.();
    await written;
    await tick();
    assert.deepEqual(told, [true, false]);
  });
});
