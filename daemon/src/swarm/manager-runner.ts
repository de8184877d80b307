/** The manager that this node runs while it is one, with what begins and ends with it. */
import { type Clock, type Logger, type Random, SwarmtsError } from '@swarmts/lib';
import { type CredentialStore, Manager, type RaftTimings } from '@swarmts/manager';
import { defaults } from '@swarmts/proto';
import type { CsiPlugins } from '@swarmts/worker';
import { Autolock } from './autolock.js';
import { renewBySelf, untilLeading } from './first-manager.js';
import { decodeBootstrap, type NodeState } from './node-state.js';
import { controllerSide } from './volume-controller.js';

export interface ManagerRunnerOptions {
  /** Folder of the manager's state. */
  readonly dir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly csiPlugins: CsiPlugins;
  /** The node stops. */
  readonly signal: AbortSignal;
  readonly timings: RaftTimings;
  /** Writes down that what the state has asked for is done. */
  readonly onDone: () => Promise<void>;
  /** There is a manager now, or none any more. */
  readonly onChange: () => void;
  /** This manager was taken out of Raft. */
  readonly onRemoved: () => void;
  /** The managers that there are now have taken this one out, and it does not run any more: they are to be asked what it is. */
  readonly onExpelled: () => void;
  readonly onFatal: (e: Error) => void;
  /** Gets a new certificate for a new key. */
  readonly renew: () => Promise<void>;
  /** Membership operations run one after the other. */
  readonly serial: (fn: () => Promise<void>) => Promise<void>;
}

export class ManagerRunner {
  readonly #o: ManagerRunnerOptions;
  #manager: Manager | undefined;
  #autolock: Autolock | undefined;

  constructor(options: ManagerRunnerOptions) {
    this.#o = options;
  }

  get manager(): Manager | undefined {
    return this.#manager;
  }

  /** Nothing is left running when it throws. `joinAddrs` are looked at where the state says that it has to join. */
  async start(state: NodeState, store: CredentialStore | undefined, joinAddrs: readonly string[]): Promise<void> {
    if (!store) throw new SwarmtsError('internal', 'no credentials');
    const { credentials } = store;
    const bootstrap = decodeBootstrap(state.bootstrap);
    if (store.dataKeys.length === 0) await store.addDataKey();
    const expelled = new AbortController();
    const manager = await Manager.start({
      ...this.#o,
      onExpelled: () => expelled.abort(),
      listenAddr: state.listenAddr,
      advertiseAddr: state.advertiseAddr,
      raftId: state.raftId,
      credentials,
      dataKeys: () => store.dataKeys,
      snapshotEntries: defaults.snapshotInterval,
      ...(bootstrap ? { bootstrap } : {}),
      ...(state.takeOver ? { takeOver: true } : {}),
      ...(state.joinAddr === '' ? {} : { joinAddrs }),
      volumePlugins: controllerSide(this.#o.csiPlugins),
    });
    this.#manager = manager;
    this.#o.onChange();
    expelled.signal.addEventListener('abort', () => this.#leave(manager));
    if (expelled.signal.aborted) this.#leave(manager);
    try {
      if (bootstrap || state.takeOver) await untilLeading(this.#manager, this.#o.clock);
      if (state.takeOver) await renewBySelf(this.#manager, store, this.#o.clock, this.#o.log);
      this.#autolock = new Autolock({ ...this.#o, manager: this.#manager, store });
      await this.#autolock.start();
      await this.#o.onDone();
    } catch (e) {
      await this.stop();
      throw e;
    }
  }

  /** Together with others that were taken out as well it could be a majority of the group that they remember. */
  #leave(manager: Manager): void {
    this.#o.log.warn(
      'this manager was taken out of the group of managers, and ends; the node asks them what it is to be',
    );
    const run = async () => {
      if (this.#manager !== manager) return;
      await this.stop();
      this.#o.onExpelled();
    };
    this.#o
      .serial(run)
      .catch((error: unknown) => this.#o.log.error('a manager that was taken out did not end', { error }));
  }

  stop(): Promise<void> {
    return this.release()();
  }

  /** There is none any more; what is given back ends the one that there was. */
  release(): () => Promise<void> {
    const manager = this.#manager;
    this.#manager = undefined;
    this.#autolock?.close();
    if (manager) this.#o.onChange();
    return async () => manager?.stop();
  }
}
