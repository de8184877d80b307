/** Pull and unpack of one image of about 200 MB from a registry on the same machine: swarmts against dockerd. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api, callApi, pushImage, REGISTRY_NAME, REGISTRY_PORT, run } from '@swarmts/test-cluster';
import { setUp } from './bed.js';
import { compare } from './measure.js';

const ROUNDS = 5;
const LAYERS = 5;
const LAYER_BYTES = 40_000_000;
const NAME = 'large';
const IMAGE = `${REGISTRY_NAME}:${REGISTRY_PORT}/${NAME}`;
const LONG_MS = 300_000;

export async function imagePull(): Promise<boolean> {
  const work = mkdtempSync(join(tmpdir(), 'swarmts-bench-'));
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: false });
  try {
    const layout = buildImage(work);
    for (const m of [bed.lab.registryMachine, bed.peer.registryMachine]) pushImage(m, layout, NAME);
    rmSync(work, { recursive: true, force: true });
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    return await compare({
      benchmark: `image-pull (${(LAYERS * LAYER_BYTES) / 1e6} MB of files in ${LAYERS} layers)`,
      unit: 'ms',
      ours: { name: 'swarmts', measure: () => pullMs(bed.lab.socket('m1')) },
      peer: { name: 'dockerd', measure: () => pullMs(dockerd.socket) },
      peerVersion: bed.peer.version,
      goal: 1,
      rounds: ROUNDS,
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
    await bed.close();
  }
}

/** The image is not there before, and is removed again; what is still to be written is on the disk before the clock runs. */
async function pullMs(socket: string): Promise<number> {
  run('sync');
  const begin = performance.now();
  const query = new URLSearchParams({ fromImage: IMAGE, tag: 'latest' });
  const answer = await callApi(socket, 'POST', `/images/create?${query}`, undefined, LONG_MS);
  const elapsed = performance.now() - begin;
  const text = JSON.stringify(answer.body ?? '');
  await api(socket, 'GET', `/images/${IMAGE}:latest/json`).catch(() => {
    throw new Error(`the pull failed: ${text}`);
  });
  await api(socket, 'DELETE', `/images/${IMAGE}:latest?force=1`);
  return elapsed;
}

/** Files of this machine, so that sizes, numbers and compressibility are those of real images. */
function buildImage(work: string): string {
  const layout = join(work, 'layout');
  run('umoci', 'init', '--layout', layout);
  run('umoci', 'new', '--image', `${layout}:latest`);
  const files = filesBelow('/usr/lib', LAYERS * LAYER_BYTES);
  for (let layer = 0, from = 0; layer < LAYERS; layer++) {
    const root = join(work, `root${layer}`);
    mkdirSync(root);
    const take: string[] = [];
    for (let bytes = 0; bytes < LAYER_BYTES && from < files.length; from++) {
      take.push(files[from]?.path ?? '');
      bytes += files[from]?.size ?? 0;
    }
    copyAll(take, root);
    run('umoci', 'insert', '--rootless', '--image', `${layout}:latest`, root, '/');
    rmSync(root, { recursive: true, force: true });
  }
  run('umoci', 'gc', '--layout', layout);
  return layout;
}

function copyAll(paths: readonly string[], root: string): void {
  const input = paths.join('\0');
  const r = spawnSync('sh', ['-c', 'tar -C / --null -T - -cf - | tar -C "$0" -xf -', root], { input });
  if (r.status !== 0) throw new Error(`cannot copy files for the image: ${r.stderr.toString().trim()}`);
}

/** Regular files in the order of their names, until there are enough bytes. */
function filesBelow(top: string, bytes: number): { readonly path: string; readonly size: number }[] {
  const out: { path: string; size: number }[] = [];
  let sum = 0;
  const walk = (dir: string): void => {
    for (const e of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (sum >= bytes) return;
      const path = join(dir, e.name);
      if (e.isDirectory()) walk(path);
      else if (e.isFile()) {
        const { size } = statSync(path);
        // One huge file would be a layer of its own.
        if (size > LAYER_BYTES / 4) continue;
        sum += size;
        out.push({ path: path.slice(1), size });
      }
    }
  };
  walk(top);
  if (sum < bytes) throw new Error(`${top} has no ${bytes} bytes of files: the image cannot be made of them`);
  return out;
}
