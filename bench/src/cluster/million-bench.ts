/** `million`: a real manager with encrypted log and snapshots, 10,000 nodes that exist on paper, and a thousand services of a thousand tasks. */
import { reportAbsolute } from '../measure.js';
import { ManagerProcess } from './manager-process.js';

const NODES = 10_000;
export const SERVICES = 1_000;
export const REPLICAS = 1_000;
/** MiB. */
const GOAL = 4_096;

export interface MillionResult {
  readonly seconds: number;
  /** Longest time that the manager answered nobody. */
  readonly longestStallMs: number;
}

export async function million(): Promise<boolean> {
  const nodeIds = Array.from({ length: NODES }, (_, i) => `node${i}`);
  const manager = await ManagerProcess.start('./million-manager.js', nodeIds);
  try {
    // The process is ours: it answers with nothing else.
    const { seconds, longestStallMs } = (await manager.run()) as MillionResult;
    process.stdout.write(
      `\nmillion: all tasks had their nodes after ${seconds.toFixed(0)} s; longest stall ${longestStallMs.toFixed(0)} ms\n`,
    );
    return reportAbsolute({
      benchmark: 'million (1,000,000 tasks on 10,000 nodes, most resident memory of the manager)',
      unit: 'MiB',
      values: [manager.memory().most],
      goal: GOAL,
    });
  } finally {
    manager.close();
  }
}
