/** Namespaces that a container shares with the host or with another container. */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerConfig } from './container-config.js';

const CONTAINER = 'container:';

/** A running container by its name or id, for the one with the id `joining`. Throws Docker's words when there is none. */
export type PeerOf = (joining: string, container: string, what: string) => Peer;

export interface Peer {
  readonly id: string;
  readonly pid: number;
  readonly inUserns: boolean;
  readonly shm: string | undefined;
  readonly network: NetworkOwner;
}

/** The container that a network was made for, however many share it by way of each other: names belong to the network. */
export interface NetworkOwner {
  readonly hostname: string;
  readonly domainname: string | undefined;
  /** Where its /etc files are. */
  readonly directory: string;
}

/** The container that a mode names, '' when it names none. */
export function sharedWith(mode: string | undefined): string {
  return mode?.startsWith(CONTAINER) ? mode.slice(CONTAINER.length) : '';
}

export interface SharedNamespaces {
  /** By the OCI name of the namespace; '' is the host's. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** Where the shared memory is that belongs to a shared IPC namespace. */
  readonly shm: string | undefined;
}

export function sharedNamespaces(
  { id, config }: { readonly id: string; readonly config: ContainerConfig },
  peerOf: PeerOf,
): SharedNamespaces {
  const namespaces: Record<string, string> = {};
  const share = (type: string, mode: string | undefined) => {
    if (mode === 'host') namespaces[type] = '';
    const other = sharedWith(mode);
    if (other !== '') namespaces[type] = `/proc/${peerOf(id, other, `${type.toUpperCase()} namespace`).pid}/ns/${type}`;
  };
  share('pid', config.pidMode);
  share('ipc', config.ipcMode);
  share('uts', config.utsMode);
  share('cgroup', config.cgroupnsMode);
  const ipcOf = sharedWith(config.ipcMode);
  if (config.ipcMode === 'host') return { namespaces, shm: '/dev/shm' };
  if (ipcOf === '') return { namespaces, shm: undefined };
  const peer = peerOf(id, ipcOf, 'IPC namespace');
  if (peer.shm === undefined) {
    const hint = 'non-shareable IPC (hint: use IpcMode:shareable for the donor container)';
    throw new SwarmtsError('conflict', `cannot join IPC namespace of container ${peer.id}: ${hint}`);
  }
  return { namespaces, shm: peer.shm };
}

const MODES: Readonly<Record<string, readonly string[]>> = {
  PID: ['', 'private', 'host'],
  IPC: ['', 'private', 'shareable', 'none', 'host'],
  UTS: ['', 'private', 'host'],
  'cgroup namespace': ['', 'private', 'host'],
  'user namespace': ['', 'host'],
};

export function checkModes(config: ContainerConfig): void {
  const given: Readonly<Record<string, string>> = {
    PID: config.pidMode ?? '',
    IPC: config.ipcMode ?? '',
    UTS: config.utsMode ?? '',
    'cgroup namespace': config.cgroupnsMode ?? '',
    'user namespace': config.usernsMode ?? '',
  };
  for (const [what, mode] of Object.entries(given)) {
    const shared = (what === 'PID' || what === 'IPC') && sharedWith(mode) !== '';
    if (!shared && !MODES[what]?.includes(mode)) {
      throw new SwarmtsError('invalid-argument', `invalid ${what} mode: ${mode}`);
    }
  }
}
