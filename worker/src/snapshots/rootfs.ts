/**
 * A container's root file system: an overlay mount of its image's layers with the container's own upper directory.
 * `<container>/{upper,work,rootfs}`; the upper directory is the only thing that must survive an unmount.
 */
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { contextOption } from '../runtime/security-labels.js';
import { ownerOnHost, ROOT } from '../userns/id-map.js';
import type { LayerStore } from './layer-store.js';

/** mount(2) takes at most one page of options, its terminating NUL included. */
const MAX_MOUNT_DATA = 4095;
const OVERLAY_OPTIONS = 'index=off,metacopy=off';

export interface RootfsPaths {
  readonly upper: string;
  readonly work: string;
  readonly target: string;
}

export function rootfsPaths(containerDir: string): RootfsPaths {
  return { upper: join(containerDir, 'upper'), work: join(containerDir, 'work'), target: join(containerDir, 'rootfs') };
}

export type OverlayPlan =
  | { readonly via: 'mount'; readonly data: string }
  | { readonly via: 'command'; readonly data: string; readonly cwd: string };

/**
 * How to mount `lower` (relative to `root`, topmost first): with absolute paths while they fit into one page, and with
 * a working directory and relative ones when they do not. `label` is SELinux's for all files.
 */
export function planOverlay(root: string, lower: readonly string[], paths: RootfsPaths, label = ''): OverlayPlan {
  const own = `upperdir=${paths.upper},workdir=${paths.work},${OVERLAY_OPTIONS}${contextOption(label)}`;
  const absolute = `lowerdir=${lower.map((l) => join(root, l)).join(':')},${own}`;
  if (Buffer.byteLength(absolute) <= MAX_MOUNT_DATA) return { via: 'mount', data: absolute };
  const relative = `lowerdir=${lower.join(':')},${own}`;
  if (Buffer.byteLength(relative) <= MAX_MOUNT_DATA) return { via: 'command', data: relative, cwd: root };
  throw new SwarmtsError('unsupported', `the image has ${lower.length} layers: more than one overlay mount can hold`);
}

/** What an overlay is mounted from and on. */
export function makeRootfsDirs(layers: Pick<LayerStore, 'ids'>, paths: RootfsPaths): void {
  // The upper directory is the container's "/": it must not be private.
  mkdirSync(paths.upper, { recursive: true, mode: 0o755 });
  mkdirSync(paths.work, { recursive: true, mode: 0o700 });
  mkdirSync(paths.target, { recursive: true, mode: 0o755 });
  if (!layers.ids) return;
  const { uid, gid } = ownerOnHost(layers.ids, ROOT);
  chownSync(paths.upper, uid, gid);
}

export async function mountRootfs(
  helper: HelperApi,
  layers: LayerStore,
  chain: readonly string[],
  containerDir: string,
  label = '',
): Promise<string> {
  const paths = rootfsPaths(containerDir);
  makeRootfsDirs(layers, paths);
  const plan = planOverlay(layers.root, layers.lowerDirs(chain), paths, label);
  if (plan.via === 'mount') {
    await helper.mount({ source: 'overlay', target: paths.target, fstype: 'overlay', data: plan.data });
  } else {
    await mountByCommand(helper, plan, paths.target);
  }
  return paths.target;
}

async function mountByCommand(
  helper: HelperApi,
  plan: Extract<OverlayPlan, { via: 'command' }>,
  target: string,
): Promise<void> {
  const result = await helper.run({
    argv: ['mount', '-i', '-t', 'overlay', 'overlay', '-o', plan.data, target],
    cwd: plan.cwd,
    // The newer mount calls limit a single option to 256 bytes.
    env: { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LIBMOUNT_FORCE_MOUNT2: 'always' },
  });
  if (result.code === 0) return;
  throw new SwarmtsError(
    'internal',
    `cannot mount the root file system: ${Buffer.from(result.stderr).toString().trim()}`,
  );
}
