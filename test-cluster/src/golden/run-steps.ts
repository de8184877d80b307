/** Runs the steps of the docker command, and makes of each what its golden file holds. */
import { fileURLToPath } from 'node:url';
import { type RunResult, tryRun } from '../lab/run.js';
import { mask } from './mask.js';
import type { CliStep } from './step.js';

/** The clients that are compared; the second one is Debian's. */
export const clients = [
  { name: '28', program: 'docker' },
  { name: '20.10', program: '/usr/bin/docker' },
] as const;

/** What Debian's dockerd speaks. */
const API_VERSION = '1.41';
const STEP_TIMEOUT_MS = 60_000;

export const goldenFile = (client: string, step: string) =>
  fileURLToPath(new URL(`../../testdata/cli/${client}/${step}.golden`, import.meta.url));

export const refusalsFile = fileURLToPath(new URL('../../testdata/refusals.json', import.meta.url));

/** `each` is told of every step, in their order. */
export function runSteps(
  steps: readonly CliStep[],
  program: string,
  socket: string,
  config: string,
  each: (s: CliStep, text: string) => void,
): void {
  const env = {
    PATH: process.env.PATH,
    HOME: config,
    DOCKER_CONFIG: config,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_API_VERSION: API_VERSION,
    DOCKER_BUILDKIT: '0',
  };
  for (const s of steps) {
    const r = tryRun(program, s.args, { env, input: s.input ?? '', timeoutMs: STEP_TIMEOUT_MS });
    each(s, s.prepares ? `exit code ${r.code}\n` : textOf(r));
  }
}

function textOf(r: RunResult): string {
  const err = r.stderr === '' ? '' : `--- stderr\n${mask(r.stderr)}`;
  return `exit code ${r.code}\n--- stdout\n${mask(r.stdout)}${err}`;
}
