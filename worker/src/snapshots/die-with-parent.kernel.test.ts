import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from '../engine/engine-bed.js';

const MODULE = fileURLToPath(new URL('./die-with-parent.js', import.meta.url));
const CHILD = `
  const { dieWithParent } = await import(${JSON.stringify(MODULE)});
  dieWithParent();
  console.log(process.pid);
  setInterval(() => undefined, 1000);
`;

describe('a child that dies with its parent', () => {
  it('is gone when the parent was killed', async () => {
    const parent = spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; :', process.execPath, CHILD], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    assert.ok(existsSync(`/proc/${pid}`) && pid !== parent.pid);
    parent.kill('SIGKILL');
    await eventually(() => !existsSync(`/proc/${pid}`), 'the child is gone');
  });
});
