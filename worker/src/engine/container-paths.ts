/** Where the parts of a container live. */
import { join } from 'node:path';

export interface EngineRoots {
  readonly dataRoot: string;
  readonly execRoot: string;
}

export interface ContainerPaths {
  /** On the data root, survives a reboot: state.json, upper directory, logs, /etc files. */
  readonly container: string;
  /** On the exec root: config.json and the monitor's files. */
  readonly bundle: string;
  /** tmpfs with the injected files. */
  readonly files: string;
  readonly netns: string;
  /** Of the user namespace, while the container is made. */
  readonly userns: string;
  /** tmpfs of a shared IPC namespace, where the container has one. */
  readonly shm: string;
  readonly log: string;
}

/** Containers that are being removed are renamed to this first. */
export const REMOVING_PREFIX = 'removing-';

export function containersRoot(roots: Pick<EngineRoots, 'dataRoot'>): string {
  return join(roots.dataRoot, 'containers');
}

export function buildsRoot(roots: Pick<EngineRoots, 'dataRoot'>): string {
  return join(roots.dataRoot, 'build');
}

export function netnsRoot(roots: Pick<EngineRoots, 'execRoot'>): string {
  return join(roots.execRoot, 'netns');
}

export function usernsRoot(roots: Pick<EngineRoots, 'execRoot'>): string {
  return join(roots.execRoot, 'userns');
}

export function containerPaths(roots: EngineRoots, id: string): ContainerPaths {
  const container = join(containersRoot(roots), id);
  return {
    container,
    bundle: join(roots.execRoot, 'containers', id),
    shm: join(roots.execRoot, 'containers', id, 'shm'),
    files: join(roots.execRoot, 'files', id),
    netns: join(netnsRoot(roots), id),
    userns: join(usernsRoot(roots), id),
    log: join(container, 'logs', 'container.log'),
  };
}
