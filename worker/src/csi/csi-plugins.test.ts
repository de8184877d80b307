import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, isSwarmtsError, type Logger, silentLogger, systemClock } from '@swarmts/lib';
import { CsiPlugins } from './csi-plugins.js';

describe('the CSI plugins of a node', () => {
  let root: string;
  let dir: string;
  let plugins: CsiPlugins;
  let warnings: string[];
  let looks: number;
  let lookAgain: () => void;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'csi-plugins-'));
    dir = join(root, 'csi');
    warnings = [];
    looks = 0;
    const clock: Clock = {
      ...systemClock,
      after: (_, fn) => {
        looks++;
        lookAgain = fn;
        return { cancel: () => undefined };
      },
    };
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
    plugins = new CsiPlugins({ dir, clock, log });
  });
  afterEach(() => {
    plugins.close();
    rmSync(root, { recursive: true, force: true });
  });

  async function look(): Promise<void> {
    const before = looks;
    lookAgain();
    for (let i = 0; i < 500 && looks === before; i++) await new Promise((r) => setTimeout(r, 10));
    assert.equal(looks, before + 1, 'the look ended, and the next one is planned');
  }

  const missing = (e: unknown) => isSwarmtsError(e, 'unavailable') && e.message.includes(`with its socket in ${dir}`);

  it('are none where there is no folder', async () => {
    await plugins.start(() => assert.fail('nothing has changed'));
    assert.deepEqual(plugins.infos, []);
    assert.deepEqual(warnings, []);
    assert.throws(() => plugins.plugin('disk.csi'), missing);
  });

  it('are looked for again after a look that failed, which is told once', async () => {
    writeFileSync(dir, 'no folder');
    await plugins.start(() => undefined);
    await look();
    assert.deepEqual(warnings, ['the CSI plugins of this node cannot be looked for']);
    rmSync(dir);
    mkdirSync(dir);
    await look();
    rmSync(dir, { recursive: true });
    writeFileSync(dir, 'no folder');
    await look();
    assert.equal(warnings.length, 2);
  });

  it('do not count while they do not answer', async () => {
    mkdirSync(dir);
    const server = createServer((s) => s.destroy());
    await new Promise<void>((done) => server.listen(join(dir, 'disk.sock'), done));
    await plugins.start(() => assert.fail('nothing has changed'));
    assert.deepEqual(plugins.infos, []);
    assert.throws(() => plugins.plugin('disk.csi'), missing);
    await new Promise((done) => server.close(done));
  });
});
