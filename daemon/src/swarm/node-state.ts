/** What a node remembers of its membership besides its certificates: one small file, replaced atomically. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, readFileIfThere, SerialLock, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import { Cluster, Node } from '@swarmts/proto';

export interface NodeState {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  /** This manager's Raft id, 0 for a worker. */
  readonly raftId: number;
  readonly managers: readonly { readonly nodeId: string; readonly addr: string }[];
  /** A manager that has begun to join Raft at this address and has not been told that it is in. */
  readonly joinAddr: string;
  /** The majority of the managers was lost, and this one goes on alone: its log and its store have yet to be told. */
  readonly takeOver?: boolean;
  /** What the first manager still has to write; '' once it is in the store. */
  readonly bootstrap: string;
}

export class NodeStateFile {
  readonly #path: string;
  readonly #lock = new SerialLock();

  constructor(dir: string) {
    this.#path = join(dir, 'state.json');
  }

  /** Undefined where the node belongs to no swarm. */
  async load(): Promise<NodeState | undefined> {
    const text = await readFileIfThere(this.#path);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as NodeState;
    } catch (e) {
      throw new SwarmtsError(
        'corrupt',
        `${this.#path} cannot be read (${messageOf(e)}): restore it, or leave with --force and join again`,
        { cause: e },
      );
    }
  }

  /** One after the other, so that the last one stays. */
  save(state: NodeState): Promise<void> {
    return this.#lock.run(() => writeFileAtomic(this.#path, `${JSON.stringify(state, undefined, 2)}\n`));
  }

  remove(): Promise<void> {
    return this.#lock.run(() => rm(this.#path, { force: true }));
  }
}

export interface Bootstrap {
  readonly cluster: Cluster;
  readonly node: Node;
}

export function encodeBootstrap(b: Bootstrap): string {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return `${text(Cluster.encode(b.cluster))}.${text(Node.encode(b.node))}`;
}

export function decodeBootstrap(encoded: string): Bootstrap | undefined {
  if (encoded === '') return undefined;
  const [cluster = '', node = ''] = encoded.split('.');
  return { cluster: Cluster.decode(Buffer.from(cluster, 'base64')), node: Node.decode(Buffer.from(node, 'base64')) };
}
