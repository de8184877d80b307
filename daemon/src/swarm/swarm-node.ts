/**
 * This node's membership in a swarm: init, join, leave; the agent always, the manager while the certificate says so; renewal
 * of the certificate and changes of role. Membership operations run one after the other.
 */
import { rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import type { InitRequest, JoinRequest } from '@swarmts/api';
import { isSwarmtsError, SerialLock, SwarmtsError, sleep } from '@swarmts/lib';
import {
  CredentialStore,
  type Credentials,
  ExternalCas,
  forceNewGroup,
  LEADER_KEY,
  type Manager,
  managerChannelOptions,
  notTakenIn,
  parseUnlockKey,
  readPlacedCredentials,
} from '@swarmts/manager';
import { type Node, NodeRole } from '@swarmts/proto';
import { Agent, removeAroundMounts } from '@swarmts/worker';
import { CertificateRenewal } from './certificate-renewal.js';
import { validateInitRequest } from './init-request.js';
import { unanswered } from './join-answers.js';
import { joinAddrs, knownManagers } from './known-managers.js';
import { leaveSwarmNetworks } from './leave-networks.js';
import { leaveRaft } from './leave-raft.js';
import { ManagerRunner } from './manager-runner.js';
import { movedAddresses, newAddresses } from './membership-addresses.js';
import { ALREADY_PART, LEAVE_LOCKED, LOCKED, leaveWarning, NOT_A_MANAGER, WORKER_ONLY } from './membership-messages.js';
import { type NodeFiles, newCluster, newRaftId } from './new-cluster.js';
import { newMember } from './new-member.js';
import { encodeBootstrap, type NodeState, NodeStateFile } from './node-state.js';
import { recoverFrom } from './recover-certificate.js';
import { RoleFollower } from './role-follower.js';
import type { SwarmNodeOptions } from './swarm-node-options.js';
import { untilTakenUp } from './until-taken-up.js';

/** How long those who ask a daemon that has just started wait for it to know whether it is a manager. */
const START_WAIT_MS = 5_000;
const RESUME_RETRY_MS = 1_000;

export class SwarmNode {
  readonly #o: SwarmNodeOptions;
  readonly #file: NodeStateFile;
  #state: NodeState | undefined;
  #store: CredentialStore | undefined;
  #agent: Agent | undefined;
  #wasConnected = false;
  #error = '';
  readonly #lock = new SerialLock();
  #started = false;
  #stopped = false;
  #left = new AbortController();
  /** The node's record as the managers see it. */
  #record: Node | undefined;
  #revokedClients: ReadonlySet<string> = new Set();
  readonly #listeners = new Set<() => void>();
  readonly #renewal: CertificateRenewal;
  readonly #role: RoleFollower;
  readonly #runner: ManagerRunner;

  constructor(options: SwarmNodeOptions) {
    this.#o = options;
    this.#file = new NodeStateFile(options.dir);
    this.#renewal = new CertificateRenewal({
      ...options,
      store: () => (this.#state && !this.locked ? this.#store : undefined),
      managers: () => this.knownManagers().map((m) => m.addr),
      signal: this.#left.signal,
      serial: (fn) => this.#lock.run(fn),
    });
    this.#role = new RoleFollower({
      ...options,
      follow: () => this.#lock.run(() => this.#followRole()),
      isOver: () => this.#stopped || !this.#state,
    });
    this.#runner = new ManagerRunner({
      ...options,
      dir: this.#managerDir,
      signal: this.#left.signal,
      onDone: () => this.#remember({ joinAddr: '', bootstrap: '', takeOver: false }),
      onChange: () => this.#changed(),
      onRemoved: () => this.#role.mark(),
      onExpelled: () => this.#askAnew(),
      renew: () => this.#renewal.renew(),
      serial: (fn) => this.#lock.run(fn),
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
    return this.#lock.run(async () => {
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
    return this.#lock.run(async () => {
      const store = this.#store;
      if (!store || !this.#state) throw new SwarmtsError('not-a-manager', 'This node is not part of a swarm');
      if (store.locked) throw new SwarmtsError('not-a-manager', LOCKED);
      const addrs = remoteAddrs.length > 0 ? remoteAddrs : this.knownManagers().map((m) => m.addr);
      await recoverFrom(addrs, token, store, signal);
      this.#error = '';
      this.#agent?.reconnect();
      this.#renewal.schedule();
    });
  }

  /** Goes on with a membership that was locked. Throws 'conflict' when it is not, 'invalid-argument' for a wrong key. */
  unlock(text: string): Promise<void> {
    return this.#lock.run(async () => {
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
      if (state.joinAddr !== '' && isSwarmtsError(e, ...notTakenIn)) {
        // It was demoted before it was in. As a worker it is told what it is to be.
        this.#o.log.warn('the managers do not take this one in', { error: e });
        await this.#dropManager();
        await this.#startAgent(state);
        return;
      }
      if (!isSwarmtsError(e, ...unanswered)) throw e;
      await this.#resumeLater(e);
    }
  }

  async #resumeLater(cause: unknown): Promise<void> {
    this.#o.log.warn('the swarm does not answer yet, trying again', { error: cause });
    await this.#runner.stop();
    this.#o.clock.after(RESUME_RETRY_MS, () => {
      this.#lock
        .run(() => this.#resume())
        .catch((error: unknown) => this.#o.onFatal(error instanceof Error ? error : new Error(String(error))));
    });
  }

  // State for others

  get credentials(): Credentials | undefined {
    return this.#store && !this.#store.locked ? this.#store.credentials : undefined;
  }

  #present(): Credentials {
    const { credentials } = this;
    if (!credentials) throw new SwarmtsError('internal', 'no credentials');
    return credentials;
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
    return this.#runner.manager !== undefined || this.#wasConnected;
  }

  get connected(): boolean {
    return this.#agent?.connected ?? false;
  }

  get isManager(): boolean {
    return this.#runner.manager !== undefined;
  }

  /** Throws SwarmtsError 'not-a-manager' where this node is none. */
  get manager(): Manager {
    if (this.#runner.manager) return this.#runner.manager;
    if (this.locked) throw new SwarmtsError('not-a-manager', LOCKED);
    throw new SwarmtsError('not-a-manager', this.#state ? WORKER_ONLY : NOT_A_MANAGER);
  }

  get managerIfAny(): Manager | undefined {
    return this.#runner.manager;
  }

  // Init, join, leave

  async init(r: InitRequest): Promise<string> {
    await this.#lock.run(async () => {
      if (this.#state && !r.forceNewCluster) throw new SwarmtsError('already-in-swarm', ALREADY_PART);
      validateInitRequest(r);
      if (this.#state) {
        await this.#takeOver(r, this.#state);
        return;
      }
      const addresses = newAddresses(r, this.#o.defaultAdvertiseAddr, networkInterfaces());
      const addr = addresses.advertiseAddr;
      const raftId = newRaftId();
      const first = await newCluster(
        r,
        { addr, dataPathAddr: addresses.dataPathAddr, raftId, nowMs: this.#o.clock.now() },
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
    });
    await untilTakenUp(this, this.#o.clock);
    return this.nodeId;
  }

  /**
   * The majority of the managers is lost: this one becomes the only one, with everything that it knows. Its address may be
   * another one than before; its certificate may have expired.
   */
  async #takeOver(r: InitRequest, state: NodeState): Promise<void> {
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
    let before: Partial<NodeState> = { takeOver: false, ...state };
    try {
      const managers = [{ nodeId: this.nodeId, addr: addresses.advertiseAddr }];
      // First of all: a log that was forced, and managers that are not forgotten, would not go together.
      await this.#remember({ ...addresses, managers, joinAddr: '', takeOver: true });
      await this.#force(state.raftId);
      const { listenAddr, advertiseAddr, dataPathAddr } = state;
      before = { listenAddr, advertiseAddr, dataPathAddr };
      if (this.#state) await this.#run(this.#state);
    } catch (e) {
      await this.#remember(before);
      await this.#resume().catch((error: unknown) => this.#o.log.error('the node does not go on', { error }));
      throw e;
    }
  }

  /** Makes the log that of the only manager; once more does no harm. */
  #force(raftId: number): Promise<void> {
    return forceNewGroup(this.#managerDir, raftId, () => this.#store?.dataKeys ?? []);
  }

  async join(r: JoinRequest, signal: AbortSignal): Promise<void> {
    await this.#lock.run(async () => {
      if (this.#state) throw new SwarmtsError('already-in-swarm', ALREADY_PART);
      const advertiseAddr = r.advertiseAddr || this.#o.defaultAdvertiseAddr;
      const { state, files } = await newMember({ ...r, advertiseAddr }, signal);
      await this.#begin(state, files);
    });
    await untilTakenUp(this, this.#o.clock);
  }

  /**
   * Writes the membership down and starts it; when that fails nothing is left. A manager that was not answered may have been taken in, and
   * the others may count its vote: it goes on trying with the Raft id that they know.
   */
  async #begin(state: NodeState, files: NodeFiles): Promise<void> {
    try {
      this.#store = await CredentialStore.create(this.#certificates, files);
      await this.#file.save(state);
      this.#state = state;
      await this.#run(state);
    } catch (e) {
      if (this.#state && state.joinAddr !== '' && isSwarmtsError(e, ...unanswered)) {
        await this.#resumeLater(e);
        return;
      }
      await this.#shutDown(0, false);
      await this.#erase();
      throw e;
    }
  }

  leave(force: boolean): Promise<void> {
    return this.#lock.run(async () => {
      if (!this.#state) throw new SwarmtsError('not-a-manager', 'This node is not part of a swarm');
      if (this.locked && !force) throw new SwarmtsError('not-a-manager', LEAVE_LOCKED);
      const manager = this.managerIfAny;
      if (manager && !force) throw new SwarmtsError('unavailable', leaveWarning(manager));
      if (manager) await leaveRaft(manager, { ...this.#o, nodeId: this.nodeId });
      await this.#shutDown(0, true);
      await this.#erase();
    });
  }

  // Running

  async #run(state: NodeState): Promise<void> {
    const credentials = this.#present();
    this.#o.networks.setNode(credentials.identity.nodeId);
    // One that has its certificate and no Raft id yet was cut off while it was promoted: it goes on once it has a session.
    if (state.raftId === 0) await this.#removeManagerData();
    else if (credentials.identity.role === NodeRole.MANAGER) {
      if (state.takeOver) await this.#force(state.raftId);
      await this.#startManager(state);
    }
    await this.#startAgent(state);
  }

  async #startAgent(state: NodeState): Promise<void> {
    const agent = new Agent({
      ...this.#o,
      dir: join(this.#o.dir, 'worker'),
      volumesDir: join(this.#o.dir, 'volumes'),
      nodeHostname: this.#o.hostname,
      addr: state.dataPathAddr,
      managers: () => this.knownManagers(),
      connect: (addr) => new grpc.Client(addr, this.#present().client(), managerChannelOptions),
      leaderKey: LEADER_KEY,
      onSession: (info) => {
        this.#wasConnected = true;
        this.#error = '';
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

  #startManager(state: NodeState): Promise<void> {
    return this.#runner.start(state, this.#store, this.#joinAddrs(state));
  }

  #joinAddrs(state: NodeState): readonly string[] {
    return joinAddrs(state, this.#agent?.manager ?? '', this.knownManagers());
  }

  async #remember(change: Partial<NodeState>): Promise<void> {
    const before = this.#state;
    if (!before) return;
    const now = { ...before, ...change };
    this.#state = now;
    try {
      await this.#file.save(now);
    } catch (e) {
      if (this.#state === now) this.#state = before;
      throw e;
    }
  }

  /** Managers to ask, the leader first. */
  knownManagers(): NodeState['managers'] {
    return knownManagers(this.managerIfAny, this.#state);
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
    this.#lock
      .run(async () => {
        if (store !== this.#store || rootPem === store.credentials.files.rootPem) return;
        await store.replace({ ...store.credentials.files, rootPem });
        this.#agent?.describe();
        this.#changed();
      })
      .catch((error: unknown) => this.#o.log.error('the roots of the swarm were not written', { error }));
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
    if (this.managerIfAny && wanted === NodeRole.MANAGER && record?.managerStatus?.raftId !== state.raftId)
      await this.#dropManager();
    if (credentials.identity.role !== wanted || record?.certificateRotating) {
      await this.#renewal.renew();
      this.#agent?.describe();
    }
    const role = credentials.identity.role;
    if (role === NodeRole.MANAGER && !this.managerIfAny && wanted === NodeRole.MANAGER) {
      await this.#becomeManager(state);
      this.#askAnew();
    }
    if (role === NodeRole.WORKER && (this.managerIfAny || state.raftId !== 0)) {
      await this.#dropManager();
      this.#agent?.reconnect();
    }
    if (role !== wanted)
      throw new SwarmtsError('failed-precondition', 'the managers have not carried out the change of role yet');
  }

  /** What is known of this node is from before; the next session brings its present record. */
  #askAnew(): void {
    this.#record = undefined;
    this.#agent?.reconnect();
  }

  /** Joins Raft, with the same id until it is done: the others may have counted this node in although it was not told. */
  async #becomeManager(state: NodeState): Promise<void> {
    if (state.joinAddr === '') {
      await this.#dropManager();
      const [joinAddr] = this.#joinAddrs(state);
      if (joinAddr === undefined) throw new SwarmtsError('unavailable', 'no other manager is known');
      await this.#remember({ raftId: newRaftId(), joinAddr });
    }
    try {
      if (this.#state) await this.#startManager(this.#state);
    } catch (e) {
      if (isSwarmtsError(e, ...notTakenIn)) await this.#dropManager();
      throw e;
    }
  }

  /** Ends this node's membership in Raft, after the others have taken it out. */
  async #dropManager(): Promise<void> {
    await this.#runner.stop();
    const own = this.#state?.advertiseAddr;
    const managers = this.#state?.managers.filter((m) => m.addr !== own) ?? [];
    await this.#remember({ raftId: 0, joinAddr: '', managers });
    await this.#removeManagerData();
  }

  /** The log before its keys: one that is left cannot be opened without them. */
  async #removeManagerData(): Promise<void> {
    await rm(this.#managerDir, { recursive: true, force: true });
    if (this.#store && this.#store.dataKeys.length > 0) await this.#store.dropDataKeys();
  }

  // End

  /** The daemon stops; the membership stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#left.abort();
    await this.#lock.run(() => this.#shutDown(this.#o.leaseMs, false));
  }

  async #shutDown(leaseMs: number, removeTasks: boolean): Promise<void> {
    this.#renewal.cancel();
    const agent = this.#agent;
    const stopManager = this.#runner.release();
    this.#agent = undefined;
    try {
      if (removeTasks) await agent?.tasks.removeAll();
    } finally {
      try {
        await agent?.stop(leaseMs);
      } finally {
        await stopManager();
      }
    }
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
    // Cluster volumes that could not be unmounted.
    const left = await removeAroundMounts(this.#o.dir);
    if (left.length > 0) this.#o.log.error('something is still mounted: unmount it and remove these', { left });
  }

  get #certificates(): string {
    return join(this.#o.dir, 'certificates');
  }

  get #managerDir(): string {
    return join(this.#o.dir, 'manager');
  }
}
