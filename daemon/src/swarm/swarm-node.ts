/**
 * This node's membership in a swarm: init, join, leave; the agent always, the manager while the certificate says so; renewal
 * of the certificate and changes of role. Membership operations run one after the other.
 */
import { rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import type { InitRequest, JoinRequest } from '@swarmts/api';
import { type Clock, isSwarmtsError, type Logger, type Random, SwarmtsError, sleep } from '@swarmts/lib';
import {
  CredentialStore,
  type Credentials,
  Credentials as CredentialsClass,
  ExternalCas,
  forceNewGroup,
  joinCluster,
  LEADER_KEY,
  Manager,
  managerChannelOptions,
  parseUnlockKey,
  type RaftTimings,
  readPlacedCredentials,
  recoverCertificate,
} from '@swarmts/manager';
import type { RoutedNetworks } from '@swarmts/netplugins';
import { defaults, type Node, type NodeDescription, NodeRole } from '@swarmts/proto';
import { Agent, type ContainerEngine, type CsiPlugins } from '@swarmts/worker';
import { joinHostPort, resolveListenAddr, splitHostPort } from './addresses.js';
import { askInTurn } from './ask-managers.js';
import { Autolock } from './autolock.js';
import { CertificateRenewal } from './certificate-renewal.js';
import { renewBySelf, untilLeading } from './first-manager.js';
import { validateInitRequest } from './init-request.js';
import { askManagers } from './join-request.js';
import { leaveSwarmNetworks } from './leave-networks.js';
import { movedAddresses, newAddresses } from './membership-addresses.js';
import { ALREADY_PART, LEAVE_LOCKED, LOCKED, leaveWarning, NOT_A_MANAGER, WORKER_ONLY } from './membership-messages.js';
import { type NodeFiles, newCluster, newRaftId } from './new-cluster.js';
import { decodeBootstrap, encodeBootstrap, type NodeState, NodeStateFile } from './node-state.js';
import { RoleFollower } from './role-follower.js';
import { controllerSide } from './volume-controller.js';

export interface SwarmNodeOptions {
  /** Folder of everything that belongs to the membership. */
  readonly dir: string;
  readonly engine: ContainerEngine;
  readonly networks: RoutedNetworks;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly hostname: string;
  readonly defaultAdvertiseAddr: string;
  readonly csiPlugins: CsiPlugins;
  readonly describe: () => NodeDescription;
  readonly leaseMs: number;
  /** A connection to this node's own API. */
  readonly connectApi: () => Duplex;
  readonly timings: RaftTimings;
  /** The process must end: the manager's disk failed. */
  readonly onFatal: (e: Error) => void;
}

/** `join` and `init` answer after this time at the latest; the rest goes on in the background. */
const READY_TIMEOUT_MS = 20_000;
const LEAVE_TIMEOUT_MS = 8_000;
/** How long those who ask a daemon that has just started wait for it to know whether it is a manager. */
const START_WAIT_MS = 5_000;
const RESUME_RETRY_MS = 1_000;

export class SwarmNode {
  readonly #o: SwarmNodeOptions;
  readonly #file: NodeStateFile;
  #state: NodeState | undefined;
  #store: CredentialStore | undefined;
  #manager: Manager | undefined;
  #autolock: Autolock | undefined;
  #agent: Agent | undefined;
  #wasConnected = false;
  #error = '';
  #tail: Promise<unknown> = Promise.resolve();
  #started = false;
  #stopped = false;
  #left = new AbortController();
  /** The node's record as the managers see it. */
  #record: Node | undefined;
  #revokedClients: ReadonlySet<string> = new Set();
  readonly #listeners = new Set<() => void>();
  readonly #renewal: CertificateRenewal;
  readonly #role: RoleFollower;

  constructor(options: SwarmNodeOptions) {
    this.#o = options;
    this.#file = new NodeStateFile(options.dir);
    this.#renewal = new CertificateRenewal({
      ...options,
      store: () => (this.#state && !this.locked ? this.#store : undefined),
      managers: () => this.knownManagers().map((m) => m.addr),
      signal: this.#left.signal,
      serial: (fn) => this.#serial(fn),
    });
    this.#role = new RoleFollower({
      ...options,
      follow: () => this.#serial(() => this.#followRole()),
      isOver: () => this.#stopped || !this.#state,
    });
  }

  /** Resolves when it is known what this node is; the API answers before that. Later than a few seconds it is not waited for. */
  async untilStarted(): Promise<void> {
    const deadline = this.#o.clock.monotonic() + START_WAIT_MS;
    while (!this.#started && this.#o.clock.monotonic() < deadline) await sleep(this.#o.clock, 20);
  }

  /** Goes on with the membership of an earlier run, if there is one. */
  async start(): Promise<void> {
    try {
      await this.#goOn();
    } finally {
      this.#started = true;
    }
  }

  #goOn(): Promise<void> {
    return this.#serial(async () => {
      const state = await this.#file.load();
      if (!state) return;
      const store = await CredentialStore.open(this.#certificates);
      if (!store) {
        // A join that was cut off before it had a certificate has changed nothing.
        await this.#erase();
        return;
      }
      this.#state = state;
      this.#store = store;
      if (store.locked)
        this.#o.log.warn('this manager is locked; its containers go on, `swarm unlock` lets it take part again');
      else await this.#resume();
    });
  }

  /** Gets a certificate for this very node again when its own has expired. Throws SwarmtsError. */
  recover(token: string, remoteAddrs: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#serial(async () => {
      const store = this.#store;
      if (!store || !this.#state) throw new SwarmtsError('not-a-manager', 'This node is not part of a swarm');
      if (store.locked) throw new SwarmtsError('not-a-manager', LOCKED);
      const addrs = remoteAddrs.length > 0 ? remoteAddrs : this.knownManagers().map((m) => m.addr);
      const files = await askInTurn(
        addrs.map((text) => joinHostPort(splitHostPort(text, defaults.listenPort))),
        (addr) => recoverCertificate(addr, token, store.credentials, signal),
        (e) => !isSwarmtsError(e, 'unavailable', 'timeout'),
      );
      await store.replace(files);
      this.#error = '';
      this.#agent?.reconnect();
      this.#renewal.schedule();
    });
  }

  /** Goes on with a membership that was locked. Throws 'conflict' when it is not, 'invalid-argument' for a wrong key. */
  unlock(text: string): Promise<void> {
    return this.#serial(async () => {
      if (!this.#store?.locked) throw new SwarmtsError('conflict', 'swarm is not locked');
      this.#store.unlock(parseUnlockKey(text));
      await this.#resume();
    });
  }

  /** Starts what the membership asks for. Managers that do not answer yet are no reason to give up: it is tried again. */
  async #resume(): Promise<void> {
    const state = this.#state;
    if (!state || this.#stopped || this.#agent || this.locked) return;
    try {
      await this.#run(state);
    } catch (e) {
      if (!isSwarmtsError(e, 'unavailable', 'no-leader', 'not-leader', 'timeout', 'aborted')) throw e;
      this.#o.log.warn('the swarm does not answer yet, trying again', { error: e });
      await this.#manager?.stop();
      this.#manager = undefined;
      this.#o.clock.after(RESUME_RETRY_MS, () => {
        this.#serial(() => this.#resume()).catch((error: unknown) =>
          this.#o.onFatal(error instanceof Error ? error : new Error(String(error))),
        );
      });
    }
  }

  // State for others

  get credentials(): Credentials | undefined {
    return this.#store && !this.#store.locked ? this.#store.credentials : undefined;
  }

  /** The keys are sealed, and nobody has given the unlock key since the daemon started. */
  get locked(): boolean {
    return this.#store?.locked ?? false;
  }

  /** The node as its managers have it; undefined until they have told. */
  get record(): Node | undefined {
    return this.#record;
  }

  /** Serial numbers of certificates of the API's clients that were taken back, as the managers have said last. */
  get revokedClients(): ReadonlySet<string> {
    return this.#revokedClients;
  }

  /** Called when membership, role, record, certificate or what is refused may have changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #changed(): void {
    for (const l of this.#listeners) l();
  }

  get nodeId(): string {
    return this.#store?.identity.nodeId ?? '';
  }

  get state(): NodeState | undefined {
    return this.#state;
  }

  get error(): string {
    return this.#error;
  }

  /** Managers have taken this node up since it was started; they may be out of reach now. */
  get isActive(): boolean {
    return this.#manager !== undefined || this.#wasConnected;
  }

  get connected(): boolean {
    return this.#agent?.connected ?? false;
  }

  get isManager(): boolean {
    return this.#manager !== undefined;
  }

  /** Throws SwarmtsError 'not-a-manager' where this node is none. */
  get manager(): Manager {
    if (this.#manager) return this.#manager;
    if (this.locked) throw new SwarmtsError('not-a-manager', LOCKED);
    throw new SwarmtsError('not-a-manager', this.#state ? WORKER_ONLY : NOT_A_MANAGER);
  }

  get managerIfAny(): Manager | undefined {
    return this.#manager;
  }

  // Init, join, leave

  init(r: InitRequest): Promise<string> {
    return this.#serial(async () => {
      if (this.#state && !r.forceNewCluster) throw new SwarmtsError('already-in-swarm', ALREADY_PART);
      validateInitRequest(r);
      if (this.#state) return this.#takeOver(r, this.#state);
      const addresses = newAddresses(r, this.#o.defaultAdvertiseAddr, networkInterfaces());
      const addr = addresses.advertiseAddr;
      const raftId = newRaftId();
      const first = await newCluster(
        r,
        { addr, raftId, nowMs: this.#o.clock.now() },
        {
          placed: await readPlacedCredentials(this.#certificates),
          externalCas: new ExternalCas({ ...this.#o, identity: () => undefined }),
          signal: this.#left.signal,
        },
      );
      const { nodeId } = first;
      await this.#begin(
        {
          ...addresses,
          raftId,
          managers: [{ nodeId, addr }],
          joinAddr: '',
          bootstrap: encodeBootstrap(first.bootstrap),
        },
        first.files,
      );
      return nodeId;
    });
  }

  /**
   * The majority of the managers is lost: this one becomes the only one, with everything that it knows. Its address may be
   * another one than before; its certificate may have expired.
   */
  async #takeOver(r: InitRequest, state: NodeState): Promise<string> {
    const store = this.#store;
    if (!store || store.locked) throw new SwarmtsError('not-a-manager', LOCKED);
    if (state.raftId === 0) {
      throw new SwarmtsError(
        'failed-precondition',
        '--force-new-cluster needs the state of a manager, and this node is a worker: run it on a former manager',
      );
    }
    const addresses = movedAddresses(r, state, this.#o.defaultAdvertiseAddr, networkInterfaces());
    // With a lease, lest its last word as a member of the old group be that it is gone.
    await this.#shutDown(this.#o.leaseMs, false);
    await forceNewGroup(this.#managerDir, state.raftId, () => store.dataKeys);
    const managers = [{ nodeId: this.nodeId, addr: addresses.advertiseAddr }];
    await this.#remember({ ...addresses, managers, joinAddr: '', takeOver: true });
    if (this.#state) await this.#run(this.#state);
    await this.#untilReady();
    return this.nodeId;
  }

  join(r: JoinRequest, signal: AbortSignal): Promise<void> {
    return this.#serial(async () => {
      if (this.#state) throw new SwarmtsError('already-in-swarm', ALREADY_PART);
      const listen = resolveListenAddr(r.listenAddr, networkInterfaces());
      const advertiseAddr = r.advertiseAddr || this.#o.defaultAdvertiseAddr;
      const asked = await askManagers({ ...r, advertiseAddr }, { listen, interfaces: networkInterfaces() }, (manager) =>
        joinCluster(manager, r.joinToken, r.availability, signal),
      );
      const { remote, advertise, dataPathAddr, answer: files } = asked;
      const addr = joinHostPort(advertise);
      const role = new CredentialsClass(files).identity.role;
      await this.#begin(
        {
          listenAddr: joinHostPort(listen),
          advertiseAddr: addr,
          dataPathAddr,
          raftId: role === NodeRole.MANAGER ? newRaftId() : 0,
          managers: [{ nodeId: '', addr: remote }],
          joinAddr: role === NodeRole.MANAGER ? remote : '',
          bootstrap: '',
        },
        files,
      );
    });
  }

  /** Writes the membership down and starts it; when that fails nothing is left. */
  async #begin(state: NodeState, files: NodeFiles): Promise<void> {
    try {
      this.#store = await CredentialStore.create(this.#certificates, files);
      await this.#file.save(state);
      this.#state = state;
      await this.#run(state);
    } catch (e) {
      await this.#shutDown(0, false);
      await this.#erase();
      throw e;
    }
    await this.#untilReady();
  }

  async #untilReady(): Promise<void> {
    const deadline = this.#o.clock.monotonic() + READY_TIMEOUT_MS;
    while (!this.connected) {
      if (this.#error !== '') throw new SwarmtsError('failed-precondition', this.#error);
      if (this.#o.clock.monotonic() > deadline) {
        throw new SwarmtsError(
          'timeout',
          'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "swarmts info" command to see the current swarm status of your node.',
        );
      }
      await sleep(this.#o.clock, 20);
    }
  }

  leave(force: boolean): Promise<void> {
    return this.#serial(async () => {
      if (!this.#state) throw new SwarmtsError('not-a-manager', 'This node is not part of a swarm');
      if (this.locked && !force) throw new SwarmtsError('not-a-manager', LEAVE_LOCKED);
      if (this.#manager && !force) throw new SwarmtsError('unavailable', leaveWarning(this.#manager));
      if (this.#manager) await this.#leaveRaft(this.#manager);
      await this.#shutDown(0, true);
      await this.#erase();
    });
  }

  /** Tells the other managers, as far as there are some that can be told. */
  async #leaveRaft(manager: Manager): Promise<void> {
    if (manager.managers().length <= 1) return;
    try {
      const deadline = this.#o.clock.monotonic() + LEAVE_TIMEOUT_MS;
      const leader = manager.raft.leader;
      if (!leader) throw new SwarmtsError('no-leader', 'there is no leader');
      await manager.call('managerLeaves', { nodeId: this.nodeId });
      while (manager.store.get('node', this.nodeId)?.managerStatus && this.#o.clock.monotonic() < deadline)
        await sleep(this.#o.clock, 50);
    } catch (e) {
      this.#o.log.warn('left without the consent of the other managers; `node demote` and `node rm` there', {
        error: e,
      });
    }
  }

  // Running

  async #run(state: NodeState): Promise<void> {
    const { credentials } = this;
    if (!credentials) throw new SwarmtsError('internal', 'no credentials');
    this.#o.networks.setNode(credentials.identity.nodeId);
    if (credentials.identity.role === NodeRole.MANAGER) await this.#startManager(state, credentials);
    const agent = new Agent({
      ...this.#o,
      dir: join(this.#o.dir, 'worker'),
      volumesDir: join(this.#o.dir, 'volumes'),
      nodeHostname: this.#o.hostname,
      addr: state.dataPathAddr,
      managers: () => this.knownManagers(),
      connect: (addr) => new grpc.Client(addr, credentials.client(), managerChannelOptions),
      leaderKey: LEADER_KEY,
      onSession: (info) => {
        this.#wasConnected = true;
        this.#o.networks.setKeyGeneration(info.networkKeyGeneration);
        this.#onManagers(info.managers);
        this.#onRoots(Buffer.from(info.rootCaPem).toString());
        this.#revokedClients = new Set(info.revokedClientSerials);
        this.#changed();
      },
      onNode: (node) => {
        this.#record = node;
        this.#changed();
        this.#role.mark();
      },
      onRejected: (message) => this.#onRejected(message),
    });
    this.#agent = agent;
    await agent.start();
    this.#renewal.schedule();
  }

  async #startManager(state: NodeState, credentials: Credentials): Promise<void> {
    const bootstrap = decodeBootstrap(state.bootstrap);
    const store = this.#store;
    if (!store) throw new SwarmtsError('internal', 'no credentials');
    if (store.dataKeys.length === 0) await store.addDataKey();
    const manager = await Manager.start({
      dir: this.#managerDir,
      listenAddr: state.listenAddr,
      advertiseAddr: state.advertiseAddr,
      raftId: state.raftId,
      credentials,
      dataKeys: () => store.dataKeys,
      clock: this.#o.clock,
      random: this.#o.random,
      log: this.#o.log,
      snapshotEntries: defaults.snapshotInterval,
      ...(bootstrap ? { bootstrap } : {}),
      ...(state.takeOver ? { takeOver: true } : {}),
      ...(state.joinAddr === '' ? {} : { joinAddr: state.joinAddr }),
      timings: this.#o.timings,
      volumePlugins: controllerSide(this.#o.csiPlugins),
      onFatal: this.#o.onFatal,
      onRemoved: () => this.#role.mark(),
    });
    this.#manager = manager;
    this.#changed();
    if (state.joinAddr !== '') await this.#remember({ joinAddr: '' });
    if (bootstrap || state.takeOver) await untilLeading(manager, this.#o.clock);
    if (state.takeOver) await renewBySelf(manager, store, this.#o.clock, this.#o.log);
    await this.#remember({ bootstrap: '', takeOver: false });
    this.#autolock = new Autolock({
      ...this.#o,
      manager,
      store,
      renew: () => this.#renewal.renew(),
      serial: (fn) => this.#serial(fn),
    });
    await this.#autolock.start();
  }

  async #remember(change: Partial<NodeState>): Promise<void> {
    if (!this.#state) return;
    this.#state = { ...this.#state, ...change };
    await this.#file.save(this.#state);
  }

  /** Managers to ask, the leader first. */
  knownManagers(): readonly { readonly nodeId: string; readonly addr: string }[] {
    const mine = this.#manager?.managers() ?? [];
    const leader = this.#manager?.raft.leader;
    const remembered = this.#state?.managers ?? [];
    const all = [...(leader ? [{ nodeId: leader.nodeId, addr: leader.addr }] : []), ...mine, ...remembered];
    return [...new Map(all.map((m) => [m.addr, m])).values()];
  }

  /** What the node says of itself has changed. */
  describe(): void {
    this.#agent?.describe();
  }

  #onManagers(managers: readonly { readonly nodeId: string; readonly addr: string }[]): void {
    const plain = managers.filter((m) => m.addr !== '').map(({ nodeId, addr }) => ({ nodeId, addr }));
    if (plain.length === 0 || JSON.stringify(plain) === JSON.stringify(this.#state?.managers)) return;
    this.#remember({ managers: plain }).catch((e: unknown) =>
      this.#o.log.error('the list of managers was not written', { error: e }),
    );
  }

  /** Trusts what the managers trust: a new root beside the old one first, and later instead of it. */
  #onRoots(rootPem: string): void {
    const store = this.#store;
    if (!store || store.locked || rootPem === '' || rootPem === store.credentials.files.rootPem) return;
    this.#serial(async () => {
      if (store !== this.#store || rootPem === store.credentials.files.rootPem) return;
      await store.replace({ ...store.credentials.files, rootPem });
      this.#agent?.describe();
      this.#changed();
    }).catch((error: unknown) => this.#o.log.error('the roots of the swarm were not written', { error }));
  }

  #onRejected(message: string): void {
    if (this.#error === message) return;
    this.#error = message;
    this.#o.log.error('the swarm does not know this node any more; `swarm leave --force` and join again', {
      error: message,
    });
  }

  // Role

  /** One step towards the role that the managers give this node, until certificate and process agree with it. */
  async #followRole(): Promise<void> {
    const { credentials } = this;
    const state = this.#state;
    const record = this.#record;
    const wanted = record?.spec?.role;
    if (!credentials || !state || wanted === undefined || this.#stopped) return;
    // Demoted and promoted again before this node had followed: its place in Raft is gone, and it needs a new one.
    if (this.#manager && wanted === NodeRole.MANAGER && record?.managerStatus?.raftId !== state.raftId)
      await this.#dropManager();
    if (credentials.identity.role !== wanted || record?.certificateRotating) {
      await this.#renewal.renew();
      this.#agent?.describe();
    }
    const role = credentials.identity.role;
    if (role === NodeRole.MANAGER && !this.#manager && wanted === NodeRole.MANAGER) {
      const others = this.knownManagers().filter((m) => m.addr !== state.advertiseAddr);
      const joinAddr = others[0]?.addr ?? '';
      await this.#remember({ raftId: newRaftId(), joinAddr });
      if (this.#state) await this.#startManager(this.#state, credentials);
      // What is known of this node is from before; the next session brings its present record.
      this.#record = undefined;
      this.#agent?.reconnect();
    }
    if (role === NodeRole.WORKER && this.#manager) {
      await this.#dropManager();
      this.#agent?.reconnect();
    }
    if (role !== wanted)
      throw new SwarmtsError('failed-precondition', 'the managers have not carried out the change of role yet');
  }

  /** Ends this node's membership in Raft, after the others have taken it out. */
  async #dropManager(): Promise<void> {
    const manager = this.#manager;
    this.#manager = undefined;
    this.#changed();
    this.#autolock?.close();
    await manager?.stop();
    await this.#store?.dropDataKeys();
    await rm(this.#managerDir, { recursive: true, force: true });
    const own = this.#state?.advertiseAddr;
    await this.#remember({ raftId: 0, managers: this.#state?.managers.filter((m) => m.addr !== own) ?? [] });
  }

  // End

  /** The daemon stops; the membership stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#left.abort();
    await this.#serial(() => this.#shutDown(this.#o.leaseMs, false));
  }

  async #shutDown(leaseMs: number, removeTasks: boolean): Promise<void> {
    this.#renewal.cancel();
    const agent = this.#agent;
    const manager = this.#manager;
    this.#agent = undefined;
    this.#manager = undefined;
    this.#autolock?.close();
    if (removeTasks) await agent?.tasks.removeAll();
    await agent?.stop(leaseMs);
    await manager?.stop();
  }

  async #erase(): Promise<void> {
    this.#wasConnected = false;
    this.#state = undefined;
    this.#store = undefined;
    this.#record = undefined;
    this.#error = '';
    this.#changed();
    await leaveSwarmNetworks(this.#o);
    await this.#file.remove();
    await rm(this.#o.dir, { recursive: true, force: true });
  }

  get #certificates(): string {
    return join(this.#o.dir, 'certificates');
  }

  get #managerDir(): string {
    return join(this.#o.dir, 'manager');
  }

  #serial<T>(fn: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(fn);
    this.#tail = run.catch(() => undefined);
    return run;
  }
}
