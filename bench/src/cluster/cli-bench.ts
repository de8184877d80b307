/** How long `swarmts service ls` takes with a hundred services, against a Node that does nothing. */
import { spawnSync } from 'node:child_process';
import { Lab } from '@swarmts/test-cluster';
import { createService } from '../bed.js';
import { alternate, reportAbsolute } from '../measure.js';

const SERVICES = 100;
const RUNS = 10;
const ROUNDS = 5;
/** Milliseconds on top of the bare Node. */
const GOAL_MS = 40;

export async function cli(): Promise<boolean> {
  const lab = await Lab.up({ name: 'bench', managers: 1, workers: 0, daemonArgs: ['--log-level=error'] });
  try {
    const socket = lab.socket('m1');
    for (let i = 0; i < SERVICES; i++) await createService(socket, `service${i}`, 0);
    const program = lab.cliProgram;
    const env = { ...process.env, SWARMTS_HOST: `unix://${socket}` };
    const ls = async () => medianMs(() => run([program, 'service', 'ls'], env));
    const bare = async () => medianMs(() => run(['-e', '0'], env));
    const [ours, node] = await alternate(
      { name: 'swarmts service ls', measure: ls },
      { name: 'node -e 0', measure: bare },
      ROUNDS,
      {
        benchmark: 'cli',
        unit: 'ms',
      },
    );
    const values = ours.map((v, i) => v - (node[i] ?? 0));
    return reportAbsolute({
      benchmark: `cli (service ls of ${SERVICES}, above node -e 0)`,
      unit: 'ms',
      values,
      goal: GOAL_MS,
    });
  } finally {
    await lab.down();
  }
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): void {
  const r = spawnSync(process.execPath, args, { env, stdio: 'ignore' });
  if (r.status !== 0) throw new Error(`node ${args.join(' ')} ended with ${r.status}`);
}

function medianMs(fn: () => void): number {
  const times = Array.from({ length: RUNS }, () => {
    const begin = performance.now();
    fn();
    return performance.now() - begin;
  });
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? Number.NaN;
}
