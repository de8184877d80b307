/** The drivers that need no addresses: `host` shares the host's namespace, `none` is a namespace with only a loopback. */
import type { NetExecutor } from './net-executor.js';

/** Where a container's process starts: a namespace file, or undefined for the host's own namespace. */
export interface Sandbox {
  readonly netns: string | undefined;
}

/** A driver without state: what it made is found by the namespace's path. */
export interface SimpleNetwork {
  readonly name: 'host' | 'none';
  attach(netns: string, sysctls?: Readonly<Record<string, string>>): Promise<Sandbox>;
  detach(netns: string): Promise<void>;
}

export const hostNetwork: SimpleNetwork = {
  name: 'host',
  attach: () => Promise.resolve({ netns: undefined }),
  detach: () => Promise.resolve(),
};

export function noneNetwork(executor: Pick<NetExecutor, 'createNetns' | 'detachLocal'>): SimpleNetwork {
  return {
    name: 'none',
    async attach(netns, sysctls = {}) {
      await executor.createNetns(netns, sysctls);
      return { netns };
    },
    detach: (netns) => executor.detachLocal(netns),
  };
}
