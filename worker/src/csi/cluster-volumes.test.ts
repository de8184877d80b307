import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, isSwarmtsError, SimulatedClock, SwarmtsError, silentLogger, systemClock } from '@swarmts/lib';
import { Task, VolumeAssignment, VolumeInfo, VolumeSpec } from '@swarmts/proto';
import { ClusterVolumes } from './cluster-volumes.js';
import type { CsiPlugin } from './csi-plugin.js';

class Bed {
  readonly dir = mkdtempSync(join(tmpdir(), 'cluster-volumes-'));
  readonly calls: string[] = [];
  readonly unpublished: string[] = [];
  inUse = false;
  failures = 0;
  readonly #clock: Clock;
  volumes: ClusterVolumes;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.volumes = this.#open();
  }

  #open(): ClusterVolumes {
    const act = async (call: string) => {
      const fails = this.failures > 0;
      if (fails) this.failures--;
      this.calls.push(fails ? `${call} failed` : call);
      if (fails) throw new SwarmtsError('internal', 'not now');
    };
    const plugin = {
      mount: (v: { readonly secrets: object }, context: object) => act(`mount ${JSON.stringify([v.secrets, context])}`),
      unmount: (id: string) => act(`unmount ${id}`),
    };
    return new ClusterVolumes({
      dir: this.dir,
      plugins: { plugin: () => plugin as unknown as CsiPlugin },
      clock: this.#clock,
      log: silentLogger,
      inUse: () => this.inUse,
      unpublished: (ids) => this.unpublished.push(...ids),
    });
  }

  async reopen(): Promise<void> {
    this.volumes.close();
    this.volumes = this.#open();
    await this.volumes.restore();
  }

  close(): void {
    this.volumes.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What the next run would find. */
  listed(): string[] {
    const list = JSON.parse(readFileSync(join(this.dir, 'mounted.json'), 'utf8')) as { readonly id: string }[];
    return list.map((v) => v.id).sort();
  }

  assign(complete = false, id = 'v'): void {
    const spec = VolumeSpec.create({ driver: { name: 'disk.csi', options: {} } });
    const info = VolumeInfo.create({ volumeId: 'disk-1' });
    const v = VolumeAssignment.create({ id, spec, info, secrets: { k: 's' }, publishContext: { p: 'c' } });
    this.volumes.apply({ complete, volumes: [v], removedVolumeIds: [] });
  }
  withdraw(complete = false): void {
    this.volumes.apply({ complete, volumes: [], removedVolumeIds: complete ? [] : ['v'] });
  }
  ready(signal = new AbortController().signal, id = 'v'): Promise<void> {
    const volumes = [{ volumeId: id, source: 'data', target: '/d' }];
    return this.volumes.ready(Task.create({ volumes }), signal);
  }
  async until(what: string, check: () => boolean): Promise<void> {
    for (let i = 0; i < 200 && !check(); i++) await new Promise((r) => setTimeout(r, 10));
    assert.ok(check(), what);
  }
}

const MOUNT = 'mount [{"k":"s"},{"p":"c"}]';

describe('the cluster volumes of a node', () => {
  let bed: Bed;
  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.close());

  it('are mounted once, when they were published and a task needs them', async () => {
    const ready = bed.ready();
    assert.deepEqual(bed.calls, []);
    bed.assign();
    await ready;
    await bed.ready();
    assert.deepEqual(bed.calls, [MOUNT]);
  });

  it('are not waited for when the task is given up', async () => {
    const abort = new AbortController();
    const ready = bed.ready(abort.signal);
    abort.abort();
    await assert.rejects(ready, (e) => isSwarmtsError(e, 'aborted'));
  });

  it('are let go when nothing uses them any more, and then reported', async () => {
    bed.assign();
    await bed.ready();
    bed.inUse = true;
    bed.withdraw();
    await new Promise((r) => setTimeout(r, 250));
    assert.deepEqual(bed.unpublished, []);
    bed.inUse = false;
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, [MOUNT, 'unmount disk-1']);
  });

  it('are reported at once when the node does not have them', async () => {
    bed.withdraw();
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, []);
  });

  it('are mounted again by a new run, whose machine may have been started anew', async () => {
    bed.assign();
    await bed.ready();
    await bed.reopen();
    bed.assign(true);
    await bed.ready();
    assert.deepEqual(bed.calls, [MOUNT, MOUNT]);
  });

  it('are unmounted after a restart that missed their withdrawal', async () => {
    bed.assign();
    await bed.ready();
    await bed.reopen();
    bed.withdraw(true);
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, [MOUNT, 'unmount disk-1']);
  });

  it('are undone also when mounting had failed half-way', async () => {
    bed.assign();
    bed.failures = 1;
    await assert.rejects(bed.ready(), /not now/);
    bed.withdraw();
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, [`${MOUNT} failed`, 'unmount disk-1']);
  });

  it('are all written down, also when many are mounted at once', async () => {
    const { signal } = new AbortController();
    const ids = Array.from({ length: 8 }, (_, i) => `v${i}`);
    for (const id of ids) bed.assign(false, id);
    let done = false;
    const ready = Promise.all(ids.map((id) => bed.ready(signal, id))).then(() => {
      done = true;
    });
    while (!done) {
      const unfinished = readdirSync(bed.dir).filter((f) => f.startsWith('mounted.json.'));
      // Several would replace each other in any order.
      assert.ok(unfinished.length <= 1, unfinished.join(' '));
      await new Promise((r) => setImmediate(r));
    }
    await ready;
    assert.deepEqual(bed.listed(), ids);
  });

  it('are unmounted also when the record of them is lost', async () => {
    bed.assign();
    await bed.ready();
    writeFileSync(join(bed.dir, 'mounted.json'), '[]');
    await bed.reopen();
    bed.assign(true);
    bed.withdraw();
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, [MOUNT, 'unmount disk-1']);
  });

  it('stay behind when the node leaves and their plugin does not answer for half a minute', async () => {
    const clock = new SimulatedClock();
    bed.close();
    bed = new Bed(clock);
    bed.assign();
    await bed.ready();
    bed.failures = Number.POSITIVE_INFINITY;
    let left = false;
    const leaving = bed.volumes.removeAll().then(() => {
      left = true;
    });
    for (let i = 0; i < 29; i++) {
      await new Promise((r) => setImmediate(r));
      await clock.advance(1_000);
    }
    assert.equal(left, false);
    await clock.advance(1_000);
    await leaving;
    assert.deepEqual([bed.unpublished, bed.listed()], [[], ['v']]);
  });

  it('are tried again when they cannot be unmounted', async () => {
    bed.assign();
    await bed.ready();
    bed.failures = 1;
    bed.withdraw();
    await bed.until('it is reported', () => bed.unpublished.length > 0);
    assert.deepEqual(bed.calls, [MOUNT, 'unmount disk-1 failed', 'unmount disk-1']);
  });

  it('are not begun with when the record of them cannot be read', async () => {
    writeFileSync(join(bed.dir, 'mounted.json'), '{');
    await assert.rejects(bed.reopen(), (e) => isSwarmtsError(e, 'corrupt') && /mounted\.json/.test(e.message));
  });
});
