import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@swarmts/lib';
import { parseDaemonArgs } from './config.js';
import { reload, reloadedSettings } from './reload.js';

describe('settings that are read again', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-reload-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('change what may change while the daemon runs, and nothing when they cannot be used', () => {
    const path = join(dir, 'daemon.json');
    const argv = ['--config-file', path];
    const lines: string[] = [];
    const log = createLogger({ level: 'info', write: (line) => void lines.push(line) });
    writeFileSync(path, '{"labels": ["a=1"], "mtu": 1400}');
    const parsed = parseDaemonArgs(argv);
    assert.ok(parsed.kind === 'run');
    const { config } = parsed;
    writeFileSync(path, '{"labels": ["a=2"], "insecure-registries": ["r:5000"], "debug": true, "mtu": 1300}');
    assert.equal(reload(config, argv, log), true);
    const { labels, debug, 'insecure-registries': registries } = reloadedSettings(config);
    assert.deepEqual([labels, debug, registries], ['["a=2"]', 'true', '["r:5000"]']);
    assert.deepEqual([config.labels, config.insecureRegistries, config.logLevel], [['a=2'], ['r:5000'], 'debug']);
    assert.equal(config.mtu, 1400);
    writeFileSync(path, '{"labels": ["nonsense"]}');
    assert.equal(reload(config, argv, log), false);
    assert.deepEqual(config.labels, ['a=2']);
    assert.match(lines.join(), /configuration was not reloaded.*bad attribute format: nonsense/);
  });
});
