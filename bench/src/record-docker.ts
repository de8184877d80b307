/**
 * `npm run record-docker`: writes what the docker commands print against a dockerd of Debian's, and what it says to bad requests
 * (`--refusals` for these alone), to be held against what we print and say.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { allSteps, clients, goldenFile, refusalsFile, refusalsOf, run, runSteps } from '@swarmts/test-cluster';
import { IMAGE } from './bed.js';
import { DockerPeer } from './peer.js';

async function recordRefusals(): Promise<void> {
  const peer = await DockerPeer.start(1);
  try {
    const socket = peer.daemons[0]?.socket ?? '';
    run('docker', '-H', `unix://${socket}`, 'pull', '-q', IMAGE);
    writeFileSync(refusalsFile, `${JSON.stringify(await refusalsOf(socket), null, 2)}\n`);
  } finally {
    await peer.stop();
  }
}

async function recordClient(name: string, program: string): Promise<void> {
  const peer = await DockerPeer.start(1);
  const config = mkdtempSync(join(tmpdir(), 'swarmts-record-'));
  try {
    runSteps(allSteps, program, peer.daemons[0]?.socket ?? '', config, (s, text) => {
      const file = goldenFile(name, s.name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    });
  } finally {
    await peer.stop();
    rmSync(config, { recursive: true });
  }
}

await recordRefusals();
if (!process.argv.includes('--refusals')) for (const { name, program } of clients) await recordClient(name, program);
