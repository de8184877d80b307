import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';

describe('a log that cannot be written', () => {
  it('does not end the process that writes it', () => {
    const lib = new URL('./index.js', import.meta.url).href;
    const program = `const { createLogger, stderrSink } = await import('${lib}');
      const log = createLogger(stderrSink('info'));
      log.info('one');
      process.stderr.write('two');
      await new Promise((resolve) => setTimeout(resolve, 50));
      log.info('three');
      process.stdout.write('went on');`;
    const full = openSync('/dev/full', 'w');
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', full],
    });
    assert.deepEqual([status, String(stdout)], [0, 'went on']);
  });
});
