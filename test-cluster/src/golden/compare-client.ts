/** Holds what a docker command prints against a lab's node, and what the node says to bad requests, against what is recorded of dockerd. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../lab/run.js';
import { type Refusal, refusalsOf } from './bad-requests.js';
import { knownDifferences, knownRefusals } from './differences.js';
import { clients, goldenFile, refusalsFile, runSteps } from './run-steps.js';
import type { CliStep } from './step.js';

/** Returns the steps that differ as it is known; throws AssertionError with those that differ otherwise. */
export function compareClient(steps: readonly CliStep[], program: string, socket: string): readonly string[] {
  const client = recordedClient(program);
  const config = mkdtempSync(join(tmpdir(), 'swarmts-golden-'));
  const differing = new Map<string, string>();
  try {
    runSteps(steps, program, socket, config, (s, text) => {
      if (readFileSync(goldenFile(client, s.name), 'utf8') !== text) differing.set(s.name, text);
    });
  } finally {
    rmSync(config, { recursive: true });
  }
  const unknown = [...differing].filter(([step]) => knownDifferences[step] === undefined);
  const texts = unknown.map(([step, text]) => `${step}:\n${text}`);
  assert.deepEqual(texts, [], `docker ${client} printed something else for dockerd`);
  return [...differing.keys()];
}

/** The image of the steps has to be there. */
export async function compareRefusals(socket: string): Promise<void> {
  const recorded = JSON.parse(readFileSync(refusalsFile, 'utf8')) as readonly Refusal[];
  const ours = await refusalsOf(socket);
  assert.deepEqual(
    ours.map((r) => r.request),
    recorded.map((r) => r.request),
    'other requests are recorded: `npm run record-docker -- --refusals`',
  );
  const expected = recorded.map((r) => knownRefusals[r.request] ?? r);
  for (const [i, { request, status, message }] of ours.entries()) {
    const e = expected[i];
    assert.deepEqual({ request, status, message }, { request, status: e?.status, message: e?.message });
  }
}

/** The recorded client of the version that a program has. */
function recordedClient(program: string): string {
  const version = run(program, '--version');
  const found = clients.find((c) => version.includes(`version ${c.name}.`));
  assert.ok(found, `nothing is recorded for ${version.trim()}: there is ${clients.map((c) => c.name).join(', ')}`);
  return found.name;
}
