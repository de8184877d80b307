/**
 * Programs of the node itself that listen to a port which a service publishes on every node. The mesh takes what comes for such a port
 * before the program sees it, as with Docker: nobody is to wonder why, so it is said. Sockets are looked up in the kernel's tables, not
 * by binding: a program that starts at that moment would find its port in use.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Logger } from '@swarmts/lib';
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
  #before: readonly MeshPort[] | undefined;
  /** What was looked for last. */
  #looked = '[]';
  #told: ReadonlySet<string> = new Set();
  #running: Promise<void> = Promise.resolve();

  constructor(options: HiddenListenersOptions) {
    this.#o = options;
  }

  /** Says of ports that were published lately what they hide. Resolves when it is said. */
  changed(): Promise<void> {
    const published = this.#o.published();
    if (published === this.#before) return this.#running;
    this.#before = published;
    const wanted = JSON.stringify(published);
    if (wanted !== this.#looked) {
      this.#looked = wanted;
      this.#running = this.#running.then(() => this.#tell());
    }
    return this.#running;
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

  async #tell(): Promise<void> {
    const hidden = await this.list();
    for (const h of hidden) {
      if (this.#told.has(keyOf(h))) continue;
      const { service, protocol, port, program } = h;
      this.#o.logger.warn(
        'a program of this node listens to a port that a service publishes: what is sent there goes to the service, not to the program',
        { port: `${port}/${protocol}`, service, program },
      );
    }
    this.#told = new Set(hidden.map(keyOf));
  }

  async #listening(protocol: 'tcp' | 'udp'): Promise<readonly Listening[]> {
    const state = protocol === 'tcp' ? TCP_LISTEN : UDP_UNCONNECTED;
    const tables = await Promise.all(
      [protocol, `${protocol}6`].map((name) =>
        readFile(`${this.#proc}/thread-self/net/${name}`, 'utf8').catch(() => ''),
      ),
    );
    return tables.flatMap((table) => listeningIn(table, state));
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

/** As the kernel writes the states of sockets. */
const TCP_LISTEN = '0A';
const UDP_UNCONNECTED = '07';

/** Of a table like /proc/net/tcp: sl, local address, remote address, state, five more, inode. */
function listeningIn(table: string, state: string): readonly Listening[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = '', , its = ''] = fields;
      if (its !== state) return [];
      return [{ port: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16), inode: fields[9] ?? '' }];
    });
}

function keyOf(p: MeshPort): string {
  return `${p.protocol} ${p.port}`;
}
