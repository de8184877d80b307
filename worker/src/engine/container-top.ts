/** The processes of a container as the host's ps(1) sees them. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

const DEFAULT_ARGUMENTS = '-ef';

export async function listProcesses(helper: HelperApi, pids: readonly number[], psArgs: string) {
  const args = (psArgs.trim() || DEFAULT_ARGUMENTS).split(/\s+/);
  let result: Awaited<ReturnType<HelperApi['run']>>;
  try {
    result = await helper.run({
      argv: ['ps', ...args],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
    });
  } catch (e) {
    if (!isSwarmtsError(e, 'not-found')) throw e;
    throw new SwarmtsError('failed-precondition', 'ps was not found on this node; install it with: apt install procps');
  }
  if (result.code !== 0) {
    const why = Buffer.from(result.stderr).toString('utf8').trim().split('\n')[0] ?? '';
    throw new SwarmtsError('internal', `ps: ${why}`);
  }
  return processesOf(Buffer.from(result.stdout).toString('utf8'), new Set(pids));
}

/** The lines of ps whose PID is one of `pids`. The last column may hold spaces. */
export function processesOf(output: string, pids: ReadonlySet<number>) {
  const [head = '', ...lines] = output.split('\n').filter((l) => l.trim() !== '');
  const titles = fields(head, Number.POSITIVE_INFINITY);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw new SwarmtsError('internal', "Couldn't find PID field in ps output");
  const rows = lines.map((l) => fields(l, titles.length)).filter((row) => pids.has(Number(row[pidColumn])));
  return { titles, rows };
}

function fields(line: string, count: number): string[] {
  const words = line.trim().split(/\s+/);
  if (words.length <= count) return words;
  return [...words.slice(0, count - 1), words.slice(count - 1).join(' ')];
}
