/**
 * The helper's side of the protocol: carries out requests one by one in the order in which they came (only processes run
 * beside each other), and answers each exactly once. It holds nothing that the kernel does not hold, except which processes
 * of `run` are under way: those are killed when the daemon goes away, for nobody is left to take their result.
 */
import type { Duplex } from 'node:stream';
import { type ErrorCode, SwarmtsError } from '@swarmts/lib';
import type { RulesSpec } from '@swarmts/netplugins';
import {
  deleteNetns,
  flushConnections,
  ipProtocol,
  loadNftLibrary,
  MissingLibraryError,
  makeFifo,
  mount,
  NETLINK_NETFILTER,
  NetlinkError,
  NetlinkSocket,
  NftContext,
  NftError,
  type NftLibrary,
  nftGeneration,
  Reaper,
  SystemCallError,
  unmount,
  withNetns,
} from 'vxlan-tools';
import { ContainerInputs } from './container-inputs.js';
import { encodeFrame, FrameDecoder } from './frame.js';
import type { ConnectionFilter, ProcessSpec, TerminalSpec } from './helper-api.js';
import { HostForwarding } from './host-forwarding.js';
import { ensureLoopbackNetns, LocalEndpoints, writeSysctls } from './local-endpoint.js';
import { attachMacvlan, detachDevice } from './macvlan.js';
import type { WireCancel, WireHello, WireProcess, WireRequest } from './protocol.js';
import { Routers } from './routers.js';
import { type RunningProcess, runProcess, startDetached } from './run-process.js';
import { startMonitor } from './start-monitor.js';
import { Terminals } from './terminals.js';
import { Tunnels } from './tunnels.js';
import { createUserNetns } from './user-netns.js';

type RouterMethod =
  | 'ensureRouter'
  | 'removeRouter'
  | 'attachLeg'
  | 'detachLeg'
  | 'attachMacvlan'
  | 'detachDevice'
  | 'writeRules'
  | 'changeRules'
  | 'removeRules'
  | 'underlayMtu'
  | 'flushBackends'
  | 'encryption'
  | 'observeTunnels'
  | 'ensureTunnels'
  | 'removeTunnels';
type RouterRequest = Extract<WireRequest, { readonly method: RouterMethod }>;

interface Answer {
  readonly result: unknown;
  readonly tail?: Buffer;
}

export class HelperServer {
  readonly #socket: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #reaper = new Reaper();
  readonly #home = new NetlinkSocket();
  readonly #forwarding: HostForwarding;
  readonly #endpoints: LocalEndpoints;
  readonly #routers: Routers;
  readonly #tunnels = new Tunnels(this.#home, this.#reaper);
  readonly #running = new Map<number, RunningProcess>();
  readonly #terminals = new Terminals();
  readonly #inputs = new ContainerInputs();
  #nftLibrary: NftLibrary | undefined;
  #homeNft: NftContext | undefined;
  #netfilter: NetlinkSocket | undefined;

  /** `onEnd` is called once, when the daemon has closed the socket or sent something that is no frame. */
  constructor(socket: Duplex, onEnd: () => void, forwardingFile: string | undefined) {
    this.#socket = socket;
    this.#forwarding = new HostForwarding(forwardingFile);
    this.#endpoints = new LocalEndpoints(this.#home, this.#forwarding);
    this.#routers = new Routers(this.#home, this.#forwarding);
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      this.#close();
      onEnd();
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of this.#decoder.push(chunk)) this.#receive(frame.header, frame.tail);
      } catch (e) {
        process.stderr.write(`swarmts-helper: ${e instanceof Error ? e.message : String(e)}\n`);
        end();
      }
    });
    socket.on('end', end);
    socket.on('error', end);
    socket.on('close', end);
    const hello: WireHello = { hello: process.pid };
    this.#send(hello);
  }

  #receive(header: unknown, tail: Buffer): void {
    // The other end is the daemon's client of the same build; see protocol.ts.
    const message = header as WireRequest | WireCancel;
    if ('cancel' in message) {
      this.#running.get(message.cancel)?.kill();
      return;
    }
    let answer: Answer | Promise<Answer>;
    try {
      answer = this.#execute(message, tail);
    } catch (e) {
      this.#sendError(message.id, e);
      return;
    }
    if (!(answer instanceof Promise)) {
      this.#send({ id: message.id, result: answer.result }, answer.tail);
      return;
    }
    answer.then(
      ({ result, tail: bytes }) => this.#send({ id: message.id, result }, bytes),
      (e: unknown) => this.#sendError(message.id, e),
    );
  }

  #execute(request: WireRequest, tail: Buffer): Answer | Promise<Answer> {
    switch (request.method) {
      case 'run':
        return this.#run(request.id, processOf(request.process, tail));
      case 'runInTerminal':
        return this.#runInTerminal(request.id, { ...request, process: processOf(request.process, tail) });
      case 'resizeTerminal':
        this.#terminals.resize(request.name, request.pid, request.size);
        return DONE;
      case 'makePipes':
        for (const path of request.paths) makeFifo(path, PIPE_MODE);
        return DONE;
      case 'openInput':
        return { result: this.#inputs.open(request.socket, request.kind) };
      case 'writeInput':
        return this.#inputs.write(request.input, tail).then(() => DONE);
      case 'closeInput':
        this.#inputs.close(request.input);
        return DONE;
      case 'startMonitor':
        return startMonitor(processOf(request.process, tail), this.#reaper).then((result) => ({ result }));
      case 'startDetached':
        return { result: startDetached(processOf(request.process, tail), this.#reaper) };
      case 'mount':
        mount(request.mount);
        return DONE;
      case 'unmount':
        unmount(request.target);
        return DONE;
      case 'attachLocal':
        this.#endpoints.attach(request.endpoint);
        return DONE;
      case 'repairLocal':
        return { result: this.#endpoints.repair(request.endpoint) };
      case 'soundLegs':
        return { result: this.#endpoints.soundLegs() };
      case 'detachLocal':
        deleteNetns(request.netns);
        return DONE;
      case 'createNetns':
        ensureLoopbackNetns(request.netns, request.sysctls);
        return DONE;
      case 'createUserNetns':
        return createUserNetns(request.namespaces, this.#reaper).then(() => DONE);
      case 'requireForwarding':
        this.#forwarding.require('ipv4');
        return DONE;
      case 'restoreForwarding':
        this.#forwarding.restore();
        return DONE;
      case 'setSysctls':
        inNetns(request.netns, () => writeSysctls(request.values));
        return DONE;
      case 'nft':
        this.#nft(request.document, '', request.netns);
        return DONE;
      case 'nftList':
        return { result: this.#list(request.command, request.netns) };
      case 'flushConnections':
        this.#flush(request.filter);
        return DONE;
      case 'kill':
        return { result: kill(request.pid, request.signal) };
      default:
        return this.#route(request);
    }
  }

  /** Requests about the networks' routers. */
  #route(request: RouterRequest): Answer | Promise<Answer> {
    switch (request.method) {
      case 'ensureRouter':
        return { result: this.#routers.ensure(request.router) };
      case 'removeRouter':
        this.#routers.remove(request.netns);
        return DONE;
      case 'attachLeg':
        this.#routers.attach(request.leg);
        return DONE;
      case 'detachLeg':
        this.#routers.detach(request.netns, request.leg);
        return DONE;
      case 'attachMacvlan':
        attachMacvlan(this.#home, request.macvlan);
        return DONE;
      case 'detachDevice':
        detachDevice(request.netns, request.iface);
        return DONE;
      case 'writeRules':
        return { result: this.#writeRules(request.rules) };
      case 'changeRules':
        return { result: this.#changeRules(request.rules, request.token) };
      case 'removeRules':
        for (const t of request.tables) this.#nft(`add table ${t}\ndelete table ${t}\n`, '', request.netns);
        return DONE;
      case 'underlayMtu':
        return { result: this.#routers.underlayMtu(request.address) };
      case 'flushBackends':
        this.#flushBackends(request.netns, request.addresses);
        return DONE;
      case 'encryption':
        return this.#tunnels.encryption().then((result) => ({ result }));
      case 'observeTunnels':
        return this.#tunnels.observe(request.netns).then((result) => ({ result }));
      case 'ensureTunnels':
        return this.#tunnels.ensure(request.tunnels).then((result) => ({ result }));
      case 'removeTunnels':
        this.#tunnels.remove(request.netns);
        return DONE;
    }
  }

  #writeRules(r: RulesSpec): string {
    const before = this.#generation(r.netns);
    this.#nft(r.document, '', r.netns);
    return tokenAfter(before, this.#generation(r.netns));
  }

  /** What somebody else has changed meanwhile may be what we need: the next look finds an old token then, and writes anew. */
  #changeRules(r: RulesSpec, token: string): string {
    const before = this.#generation(r.netns);
    const untouched = String(before) === token;
    if (r.document === '') return untouched ? token : '';
    try {
      this.#nft(r.document, '', r.netns);
    } catch (e) {
      if (e instanceof NftError) return '';
      throw e;
    }
    return untouched ? tokenAfter(before, this.#generation(r.netns)) : TOUCHED;
  }

  #generation(netns: string): number {
    let generation = 0;
    inNetns(netns, () => {
      const socket = new NetlinkSocket(NETLINK_NETFILTER);
      try {
        generation = nftGeneration(socket);
      } finally {
        socket.close();
      }
    });
    return generation;
  }

  #flushBackends(netns: string, addresses: readonly string[]): void {
    inNetns(netns, () => {
      const socket = new NetlinkSocket(NETLINK_NETFILTER);
      try {
        for (const backend of addresses) flushConnections(socket, { backend });
      } finally {
        socket.close();
      }
    });
  }

  async #run(id: number, spec: ProcessSpec): Promise<Answer> {
    const running = runProcess(spec, this.#reaper);
    this.#running.set(id, running);
    try {
      const { code, signal, stdout, stderr } = await running.done;
      return { result: { code, signal, stdoutBytes: stdout.length }, tail: Buffer.concat([stdout, stderr]) };
    } finally {
      this.#running.delete(id);
    }
  }

  async #runInTerminal(id: number, spec: TerminalSpec): Promise<Answer> {
    const running = this.#terminals.run(spec, this.#reaper);
    this.#running.set(id, running);
    try {
      const { code, signal } = await running.done;
      return { result: { code, signal, stdoutBytes: 0 } };
    } finally {
      this.#running.delete(id);
    }
  }

  #list(command: string, netns: string): string {
    const words = command.trim().split(/\s+/);
    const options: string[] = [];
    while (words[0]?.startsWith('-') === true) options.push((words.shift() ?? '').slice(1));
    return this.#nft(words.join(' '), options.join(''), netns);
  }

  #nft(document: string, options: string, netns: string): string {
    this.#nftLibrary ??= loadNftLibrary();
    if (netns === '') {
      this.#homeNft ??= new NftContext(this.#nftLibrary);
      return this.#homeNft.run(document, options);
    }
    const library = this.#nftLibrary;
    return withNetns(netns, () => {
      const context = new NftContext(library);
      try {
        return context.run(document, options);
      } finally {
        context.close();
      }
    });
  }

  #flush(filter: ConnectionFilter): void {
    this.#netfilter ??= new NetlinkSocket(NETLINK_NETFILTER);
    if ('backend' in filter) {
      flushConnections(this.#netfilter, filter);
      return;
    }
    const { protocol, destinationPort } = filter;
    for (const family of ['ipv4', 'ipv6'] as const)
      flushConnections(this.#netfilter, { family, protocol: ipProtocol[protocol], destinationPort });
  }

  #sendError(id: number, e: unknown): void {
    this.#send({ id, error: { code: codeOf(e), message: e instanceof Error ? e.message : String(e) } });
  }

  #send(header: unknown, tail?: Buffer): void {
    if (this.#socket.destroyed) return;
    for (const buffer of encodeFrame(header, tail)) this.#socket.write(buffer);
  }

  #close(): void {
    for (const running of this.#running.values()) running.kill();
    this.#inputs.closeAll();
    this.#reaper.close();
    this.#homeNft?.close();
    this.#netfilter?.close();
    this.#home.close();
  }
}

const DONE: Answer = { result: null };
const PIPE_MODE = 0o600;

/** No token of any rules. */
const TOUCHED = 'touched';

/** Every transaction counts the kernel's number of a namespace's rules up by one: more were not ours. */
function tokenAfter(before: number, now: number): string {
  return now === before + 1 ? String(now) : TOUCHED;
}

function processOf(wire: WireProcess, tail: Buffer): ProcessSpec {
  const { hasStdin, ...spec } = wire;
  return hasStdin ? { ...spec, stdin: tail } : spec;
}

function inNetns(netns: string, fn: () => void): void {
  if (netns === '') fn();
  else withNetns(netns, fn);
}

function kill(pid: number, signal: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) throw new SwarmtsError('invalid-argument', `no pid to signal: ${pid}`);
  try {
    process.kill(pid, signal);
    return true;
  } catch (e) {
    if (e instanceof Error && 'code' in e && e.code === 'ESRCH') return false;
    throw e;
  }
}

const codesByErrno: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  ENODEV: 'not-found',
  EEXIST: 'already-exists',
  EBUSY: 'conflict',
  EACCES: 'permission-denied',
  EPERM: 'permission-denied',
  EINVAL: 'invalid-argument',
  E2BIG: 'invalid-argument',
  ENOEXEC: 'invalid-argument',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  ENOMEM: 'resource-exhausted',
  EMFILE: 'resource-exhausted',
  ENFILE: 'resource-exhausted',
  EAGAIN: 'resource-exhausted',
  ENOBUFS: 'resource-exhausted',
  EOPNOTSUPP: 'unsupported',
  ENOTSUP: 'unsupported',
  ENOSYS: 'unsupported',
};

function codeOf(e: unknown): ErrorCode {
  if (e instanceof SwarmtsError) return e.code;
  if (e instanceof SystemCallError || e instanceof NetlinkError) return codesByErrno[e.code] ?? 'internal';
  if (e instanceof MissingLibraryError) return 'unsupported';
  if (e instanceof NftError) return 'failed-precondition';
  if (e instanceof TypeError) return 'invalid-argument';
  if (e instanceof Error && 'code' in e) return codesByErrno[String(e.code)] ?? 'internal';
  return 'internal';
}
