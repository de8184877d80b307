/** A real registry (Debian's docker-registry) in a machine of the lab, filled with the test images. */
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../wait.js';
import { enter, type Machine } from './namespaces.js';
import { run, runAsync } from './run.js';
import { testImages } from './test-images.js';

export const REGISTRY_PORT = 5000;
/** Name under which every node knows the registry. */
export const REGISTRY_NAME = 'registry';
export const IMAGES = ['busybox', 'whoami'] as const;

/** Starts the registry in `m` and pushes the images; resolves to its pid when they are there. */
export async function startRegistry(m: Machine, dir: string): Promise<number> {
  mkdirSync(join(dir, 'data'), { recursive: true });
  const config = join(dir, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${join(dir, 'data')}}, delete: {enabled: true}}\nhttp: {addr: ":${REGISTRY_PORT}"}\n`,
  );
  const out = openSync(join(dir, 'registry.log'), 'a');
  const child = spawn('nsenter', [...enter(m), 'docker-registry', 'serve', config], {
    stdio: ['ignore', out, out],
    detached: true,
  });
  child.unref();
  if (child.pid === undefined) throw new Error('could not start docker-registry: apt-get install docker-registry');
  await waitFor(
    'the registry answers',
    15_000,
    async () =>
      (await runAsync('nsenter', [...enter(m), 'curl', '-fs', `http://127.0.0.1:${REGISTRY_PORT}/v2/`])).code === 0,
  );
  const images = testImages();
  for (const name of IMAGES) pushImage(m, join(images, name), name);
  return child.pid;
}

/** Pushes an OCI layout as `name:latest`. */
export function pushImage(m: Machine, layout: string, name: string, tag = 'latest'): void {
  run(
    'nsenter',
    ...enter(m),
    'skopeo',
    'copy',
    '-q',
    '--insecure-policy',
    '--dest-tls-verify=false',
    `oci:${layout}:latest`,
    `docker://127.0.0.1:${REGISTRY_PORT}/${name}:${tag}`,
  );
}
