/**
 * A throw-away host for the kernel tests: network namespaces of its own and a helper that runs in the one that plays the
 * host, so that no test touches the machine's interfaces or rules.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addAddress,
  createLink,
  createNetns,
  deleteNetns,
  getLink,
  NetlinkSocket,
  parseLink,
  type Request,
  setLink,
  withNetns,
} from 'vxlan-tools';
import type { PrivilegedHelper, RunResult } from './helper-api.js';
import { startHelper } from './spawn-helper.js';

export interface TestHost {
  readonly helper: PrivilegedHelper;
  /** Temporary directory; whatever is in there goes with the host. */
  readonly dir: string;
  /** Namespace file of the host. */
  readonly netns: string;
  /** Path for a namespace that is removed with the host. */
  path(name: string): string;
  /** Joins a further namespace to the host: it has `.2`, the host `.1` of the /24 network `prefix`. */
  joinOutside(name: string, prefix: string): string;
  /** Answers HTTP in a namespace with the address that the request came from. */
  serve(netns: string, port: number): Server;
  /** Asks for a URL from within a namespace: the body, or undefined when there is no answer. */
  fetch(netns: string, url: string, timeoutS?: number): Promise<string | undefined>;
  ping(netns: string, address: string): Promise<boolean>;
  /** Runs a program in a namespace. */
  run(netns: string, ...argv: string[]): Promise<RunResult>;
  close(): Promise<void>;
}

const FETCH_TIMEOUT_S = 1;
const EVENTUALLY_MS = 10_000;

export async function startTestHost(): Promise<TestHost> {
  const dir = mkdtempSync(join(tmpdir(), 'swarmts-host-'));
  const netns = join(dir, 'host');
  const paths = [netns];
  const servers: Server[] = [];
  createNetns(netns, () => request(setLink({ index: 1 }, { up: true })));
  const helper = await startHelper({ netnsPath: netns, forwardingFile: join(dir, 'forwarding.json') });
  const run = (where: string, ...argv: string[]) =>
    helper.run({ argv, netns: where, env: { PATH: process.env.PATH ?? '' } });
  return {
    helper,
    dir,
    netns,
    path(name) {
      const path = join(dir, name);
      paths.push(path);
      return path;
    },
    joinOutside(name, prefix) {
      const path = join(dir, name);
      paths.push(path);
      joinNamespaces(netns, path, name, prefix);
      return path;
    },
    serve(where, port) {
      const server = createServer((req, res) => res.end(req.socket.remoteAddress?.replace('::ffff:', '')));
      servers.push(server);
      // Without an address to look up, listening happens inside of the call.
      withNetns(where, () => void server.listen(port));
      return server;
    },
    async fetch(where, url, timeoutS = FETCH_TIMEOUT_S) {
      const result = await run(where, 'curl', '-s', '--noproxy', '*', '-m', String(timeoutS), url);
      return result.code === 0 ? Buffer.from(result.stdout).toString() : undefined;
    },
    async ping(where, address) {
      const answers = async () => (await run(where, 'busybox', 'ping', '-c', '1', '-W', '1', address)).code === 0;
      // A link that has just come up may lose the first packet while the machine has much to do.
      return (await answers()) || answers();
    },
    run,
    async close() {
      await helper.close();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      for (const path of paths) deleteNetns(path);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Looks again and again until `condition` holds; a condition that never does is an error, not a hanging process. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + EVENTUALLY_MS; !condition(); ) {
    if (Date.now() > end) throw new Error(`${what}: not within ${EVENTUALLY_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether a process runs; a zombie that its parent has not reaped yet does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

function request(...requests: Request[]): void {
  const socket = new NetlinkSocket();
  try {
    for (const error of socket.batch(requests)) if (error !== undefined) throw error;
  } finally {
    socket.close();
  }
}

/** The namespace has a route to the host's network only: containers must be masqueraded to be answered. */
function joinNamespaces(host: string, path: string, name: string, prefix: string): void {
  const hostIface = `to-${name}`;
  createNetns(path);
  const fd = openSync(path, 'r');
  try {
    withNetns(host, () => request(createLink({ kind: 'veth', name: hostIface, peer: { name: 'eth0', netnsFd: fd } })));
  } finally {
    closeSync(fd);
  }
  withNetns(host, () => bringUp(hostIface, `${prefix}.1`));
  withNetns(path, () => bringUp('eth0', `${prefix}.2`));
}

function bringUp(iface: string, address: string): void {
  const socket = new NetlinkSocket();
  try {
    const index = parseLink(socket.get(getLink({ name: iface })))?.index ?? 0;
    socket.request(setLink({ index: 1 }, { up: true }));
    socket.request(setLink({ index }, { up: true }));
    socket.request(addAddress({ index, address, prefixLength: 24 }));
  } finally {
    socket.close();
  }
}
