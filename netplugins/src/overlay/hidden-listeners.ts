/**
 * Programs of the node itself that listen to a port which a service publishes on every node. The mesh takes what comes for such a port
 * before the program sees it, as with Docker: nobody is to wonder why, so it is said. Sockets are looked up in the kernel's tables, not
 * by binding: a program that starts at that moment would find its port in use.
 */
import { type FileHandle, open, readdir, readFile, readlink } from 'node:fs/promises';
import { errnoOf, type Logger } from '@swarmts/lib';
import type { MeshPort } from './mesh-rules.js';

export interface HiddenListener extends MeshPort {
  /** Name and number of the process; '' where it cannot be told. */
  readonly program: string;
}

export interface HiddenListenersOptions {
  readonly logger: Logger;
  readonly published: () => readonly MeshPort[];
  /** Of the kernel: /proc. */
  readonly procDir?: string;
}

interface Listening {
  readonly port: number;
  readonly inode: string;
}

export class HiddenListeners {
  readonly #o: HiddenListenersOptions;
  /** Last time: a socket that is gone at the next look is nobody's who waits for others. */
  #seen: ReadonlySet<string> = new Set();
  #told: ReadonlySet<string> = new Set();

  constructor(options: HiddenListenersOptions) {
    this.#o = options;
  }

  /** To be called again and again: says once of each what is there at two looks. */
  async look(): Promise<void> {
    const hidden = await this.list();
    const told = new Set<string>();
    for (const h of hidden.filter((known) => this.#seen.has(keyOf(known)))) {
      const { service, protocol, port, program } = h;
      told.add(keyOf(h));
      if (this.#told.has(keyOf(h))) continue;
      this.#o.logger.warn(
        'a program of this node listens to a port that a service publishes: what is sent there goes to the service, not to the program',
        { port: `${port}/${protocol}`, service, program },
      );
    }
    this.#seen = new Set(hidden.map(keyOf));
    this.#told = told;
  }

  /** Those of this moment, whether they were told or not. */
  async list(): Promise<readonly HiddenListener[]> {
    const published = this.#o.published();
    const hidden: (MeshPort & { readonly inode: string })[] = [];
    for (const protocol of ['tcp', 'udp'] as const) {
      const own = published.filter((p) => p.protocol === protocol);
      if (own.length === 0) continue;
      const listening = await this.#listening(protocol);
      hidden.push(
        ...own.flatMap((p) => {
          const found = listening.find((l) => l.port === p.port);
          return found ? [{ ...p, inode: found.inode }] : [];
        }),
      );
    }
    if (hidden.length === 0) return [];
    const programs = await this.#programsOf(new Set(hidden.map((h) => h.inode)));
    return hidden.map(({ inode, ...port }) => ({ ...port, program: programs.get(inode) ?? '' }));
  }

  async #listening(protocol: 'tcp' | 'udp'): Promise<readonly Listening[]> {
    const tables = [protocol, `${protocol}6`].map((name) => `${this.#proc}/thread-self/net/${name}`);
    return (await Promise.all(tables.map((file) => listeningIn(file, LISTENING[protocol])))).flat();
  }

  /** Looked for among all processes: that is done for ports that are taken alone. */
  async #programsOf(inodes: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const pid of (await readdir(this.#proc)).filter((name) => /^\d+$/.test(name))) {
      // Processes end while they are looked at.
      for (const fd of await readdir(`${this.#proc}/${pid}/fd`).catch(() => [])) {
        const target = await readlink(`${this.#proc}/${pid}/fd/${fd}`).catch(() => '');
        const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '';
        if (!inodes.has(inode) || found.has(inode)) continue;
        const name = await readFile(`${this.#proc}/${pid}/comm`, 'utf8').catch(() => '');
        found.set(inode, `${name.trim()} (pid ${pid})`);
      }
    }
    return found;
  }

  get #proc(): string {
    return this.#o.procDir ?? '/proc';
  }
}

/** States of sockets, as the kernel writes them. In the tables of TCP those that listen come first, and connections may be many. */
const LISTENING = { tcp: { state: '0A', isFirst: true }, udp: { state: '07', isFirst: false } } as const;

/** Of a table like /proc/net/tcp: sl, local address, remote address, state, five more, inode. */
async function listeningIn(
  file: string,
  { state, isFirst }: (typeof LISTENING)['tcp' | 'udp'],
): Promise<readonly Listening[]> {
  const found: Listening[] = [];
  let handle: FileHandle;
  try {
    handle = await open(file);
  } catch (e) {
    // A kernel without IPv6.
    if (errnoOf(e) === 'ENOENT') return [];
    throw e;
  }
  for await (const line of handle.readLines()) {
    const fields = line.trim().split(/\s+/);
    const [, local = '', , its = ''] = fields;
    if (its === state) {
      found.push({ port: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16), inode: fields[9] ?? '' });
    } else if (isFirst && fields[0] !== 'sl') break;
  }
  return found;
}

function keyOf(p: HiddenListener): string {
  return `${p.protocol} ${p.port} ${p.service} ${p.program}`;
}
