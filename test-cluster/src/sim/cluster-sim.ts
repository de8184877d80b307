/**
 * A whole cluster in one process under a simulated clock: several managers with all of the leader's loops, nodes with containers, an
 * operator, and faults; then healing. One seed, one run, always the same.
 */
import { type Random, SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Allocator,
  ConstraintEnforcer,
  CronOrchestrator,
  createNetwork,
  Dispatcher,
  ExternalCas,
  type LeaderComponent,
  Operations,
  Rebalancer,
  SchedulingLoop,
  ServiceOrchestrator,
  TaskReaper,
} from '@swarmts/manager/simulation';
import {
  Cluster,
  ContainerSpec,
  NetworkAttachmentConfig,
  NetworkSpec,
  Node,
  NodeAvailability,
  NodeSpec,
  NodeState,
  NodeStatus,
  type ServiceSpec,
  TaskSpec,
  UpdateConfig,
  UpdateOrder,
} from '@swarmts/proto';
import { Checker } from './checker.js';
import { type Bug, type LoopName, sabotaged } from './sabotage.js';
import { SimAgent } from './sim-agent.js';
import { SimGroup, type SimManager } from './sim-group.js';
import { session } from './sim-stream.js';

export interface SimOptions {
  readonly seed: number;
  readonly managers?: number;
  readonly nodes?: number;
  /** Simulated time of faults and of healing. */
  readonly faultsMs?: number;
  readonly healMs?: number;
  /** Planted, to show that it is noticed. */
  readonly bug?: Bug;
}

export interface SimResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly leaders: number;
  readonly tasksStarted: number;
}

const CPUS_OF_A_NODE = 4;
/** After healing: nothing restarts. */
const QUIET_MS = 60_000;
const LINE_MS = 8;
const STEP_MS = 250;
/** Of the containers that start while there are faults. */
const FAILING = 0.04;

interface Leading {
  readonly components: readonly LeaderComponent[];
  readonly dispatcher: Dispatcher;
  readonly operations: Operations;
}

export async function simulate(o: SimOptions): Promise<SimResult> {
  const sim = new ClusterSim(o);
  return sim.run();
}

class ClusterSim {
  readonly #o: SimOptions;
  readonly #clock = new SimulatedClock();
  readonly #random: Random;
  readonly #checker = new Checker();
  readonly #group: SimGroup;
  readonly #agents: readonly SimAgent[];
  readonly #cut = new Set<string>();
  readonly #leading = new Map<SimManager, Leading>();
  #faults = true;
  #leaders = 0;
  #started = 0;
  #serviceCount = 0;

  constructor(options: SimOptions) {
    this.#o = options;
    this.#random = seededRandom(options.seed);
    this.#group = new SimGroup({
      count: options.managers ?? 3,
      clock: this.#clock,
      random: this.#random,
      onLead: (m) => this.#onLead(m),
      onYield: (m) => this.#onYield(m),
    });
    this.#agents = Array.from({ length: options.nodes ?? 5 }, (_, i) => this.#newAgent(`n${i + 1}`));
  }

  #newAgent(id: string): SimAgent {
    return new SimAgent({
      id,
      clock: this.#clock,
      random: this.#random,
      cpus: CPUS_OF_A_NODE,
      connect: (agent) => this.#connect(agent),
      onStart: (agent, task) => {
        this.#started++;
        const leader = this.#group.leader;
        if (leader) this.#checker.started(agent, task, this.#agents, leader.store, this.#clock.now());
      },
      fails: () => this.#faults && this.#random() < FAILING,
    });
  }

  #connect(agent: SimAgent) {
    const leader = this.#group.leader;
    const leading = leader && this.#leading.get(leader);
    if (!leader || !leading || leader.isolated || this.#cut.has(agent.id)) return undefined;
    const alive = () =>
      this.#group.leader === leader && leader.up && !leader.isolated && !this.#cut.has(agent.id) && agent.up;
    const line = {
      delayMs: () => (alive() ? 1 + this.#random() * LINE_MS : undefined),
      after: (ms: number, fn: () => void) => void this.#clock.after(ms, fn),
    };
    const { agent: end, manager } = session(line, () => this.#clock.now());
    const never = Number.POSITIVE_INFINITY;
    leading.dispatcher.serve(manager, {
      nodeId: agent.id,
      clusterId: 'sim',
      role: 0,
      notBeforeMs: 0,
      notAfterMs: never,
    });
    return end;
  }

  // Leadership

  #onLead(m: SimManager): void {
    this.#leaders++;
    const onStuck = (e: unknown) => {
      if (this.#group.leader === m) this.#checker.violations.push(`a loop is stuck: ${e}`);
    };
    const context = { store: m.store, clock: this.#clock, random: this.#random, log: silentLogger, onStuck };
    const { bug } = this.#o;
    const contextOf = (loop: LoopName) =>
      bug?.loop === loop ? { ...context, store: sabotaged(m.store, bug) } : context;
    this.#checker.watch(m.store, () => this.#clock.now());
    const scheduling = new SchedulingLoop(contextOf('scheduler'));
    const nothing = () => undefined;
    const dispatcher = new Dispatcher({
      ...contextOf('dispatcher'),
      managerId: m.id,
      managers: () => [],
      onLogs: nothing,
      onNodeReady: nothing,
      onNodeGone: nothing,
      onUsage: nothing,
    });
    const components: readonly LeaderComponent[] = [
      new ServiceOrchestrator(contextOf('services')),
      new Allocator(contextOf('allocator')),
      scheduling,
      dispatcher,
      new TaskReaper(context),
      new ConstraintEnforcer(context),
      new CronOrchestrator(context),
      new Rebalancer(context, () => scheduling.nodes),
    ];
    const status = { id: 1, leader: 1, voters: [1], learners: [] } as never;
    const raft = { store: m.store, status, isReachable: () => true };
    const operations = new Operations({
      raft,
      scheduling: () => scheduling,
      clock: this.#clock,
      now: () => this.#clock.now(),
      externalCas: new ExternalCas({ ...context, identity: () => undefined }),
      signal: new AbortController().signal,
    });
    this.#leading.set(m, { components, dispatcher, operations });
    this.#begin(m, components).catch((e: unknown) => this.#ignore(e));
  }

  async #begin(m: SimManager, components: readonly LeaderComponent[]): Promise<void> {
    if (m.store.count('cluster') === 0) await this.#bootstrap(m);
    // It may have lost the lead meanwhile, and have it again with other components.
    if (this.#leading.get(m)?.components === components) for (const c of components) c.start();
  }

  async #bootstrap(m: SimManager): Promise<void> {
    await m.store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'sim', defaultAddressPools: ['10.0.0.0/8'], subnetSize: 24 }));
      const overlay = { name: 'overlay', options: {} };
      const named = (name: string) => ({ annotations: { name, labels: {} }, driver: overlay });
      createNetwork(tx, NetworkSpec.create({ ...named('ingress'), ingress: true }));
      createNetwork(tx, NetworkSpec.create(named('net')));
      for (const a of this.#agents) {
        const status = NodeStatus.create({ state: NodeState.UNKNOWN });
        tx.create('node', Node.create({ id: a.id, spec: NodeSpec.create({}), status }));
      }
    });
  }

  #onYield(m: SimManager): void {
    const leading = this.#leading.get(m);
    this.#leading.delete(m);
    if (leading) void Promise.all(leading.components.map((c) => c.stop()));
    for (const a of this.#agents) a.disconnect();
  }

  /** Writes fail while nobody leads: the operator tries something else later. */
  #ignore(_: unknown): void {}

  // Operator and faults

  async run(): Promise<SimResult> {
    for (const a of this.#agents) a.start();
    await this.#clock.advance(5_000);
    const end = this.#clock.now() + (this.#o.faultsMs ?? 45_000);
    while (this.#clock.now() < end && this.#checker.violations.length === 0) {
      this.#operate();
      if (this.#random() < 0.25) this.#break();
      if (this.#random() < 0.3) this.#mend();
      await this.#clock.advance(STEP_MS * (1 + 3 * this.#random()));
    }
    await this.#heal();
    const leader = this.#group.leader;
    if (!leader) this.#checker.violations.push('nobody leads in the end');
    else if (this.#checker.violations.length === 0) {
      this.#checker.quiet(leader.store);
      await this.#clock.advance(QUIET_MS);
      this.#checker.final(leader.store, this.#agents);
    }
    const { violations } = this.#checker;
    return { seed: this.#o.seed, violations, leaders: this.#leaders, tasksStarted: this.#started };
  }

  async #heal(): Promise<void> {
    this.#faults = false;
    this.#cut.clear();
    for (const m of this.#group.managers) {
      this.#group.isolate(m, false);
      this.#group.start(m);
    }
    for (const a of this.#agents) {
      a.start();
      a.disconnect();
    }
    await this.#clock.advance(10_000);
    const leading = this.#group.leader && this.#leading.get(this.#group.leader);
    // Not awaited: nothing is written before time goes on.
    for (const a of this.#agents) void this.#availability(leading?.operations, a.id, NodeAvailability.ACTIVE);
    const end = this.#clock.now() + (this.#o.healMs ?? 180_000);
    while (this.#clock.now() < end && this.#checker.violations.length === 0) await this.#clock.advance(5_000);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  #operate(): void {
    const leader = this.#group.leader;
    const operations = leader && this.#leading.get(leader)?.operations;
    if (!operations) return;
    const services = leader.store.view((tx) => tx.list('service'));
    const service = this.#pick(services);
    const dice = this.#random();
    const act = async (): Promise<void> => {
      if (!service || (dice < 0.15 && services.length < 6)) {
        const created = await operations.createService({ spec: this.#newSpec() });
        this.#checker.acknowledged('created', created.id);
      } else if (dice < 0.4 && service.spec) {
        const version = service.meta?.version?.index ?? 0;
        await operations.updateService({
          ref: service.id,
          version,
          spec: this.#changed(service.spec),
          rollback: false,
        });
      } else if (dice < 0.43) {
        // Whether it is removed is not known until they say so; they may lose the answer.
        this.#checker.acknowledged('removed', service.id);
        await operations.removeService({ ref: service.id });
      } else if (dice < 0.5) {
        const agent = this.#pick(this.#agents);
        const drained = this.#random() < 0.4;
        await this.#availability(
          operations,
          agent?.id ?? '',
          drained ? NodeAvailability.DRAIN : NodeAvailability.ACTIVE,
        );
      }
    };
    act().catch((e: unknown) => this.#ignore(e));
  }

  async #availability(operations: Operations | undefined, id: string, availability: NodeAvailability): Promise<void> {
    const node = operations?.getNode({ ref: id });
    if (!node?.spec || node.spec.availability === availability) return;
    const version = node.meta?.version?.index ?? 0;
    await operations
      ?.updateNode({ ref: id, version, spec: { ...node.spec, availability } })
      .catch((e: unknown) => this.#ignore(e));
  }

  #newSpec(): ServiceSpec {
    const kind = this.#random();
    const replicas = 1 + Math.floor(this.#random() * 6);
    const none = { replicated: undefined, global: undefined, replicatedJob: undefined, globalJob: undefined };
    const mode =
      kind < 0.6
        ? { ...none, replicated: { replicas } }
        : kind < 0.8
          ? { ...none, global: {} }
          : { ...none, replicatedJob: { totalCompletions: replicas, maxConcurrent: 2 } };
    const isJob = mode.replicatedJob !== undefined;
    const nanoCpus = this.#random() < 0.5 ? 5e8 : 0;
    const reservations = nanoCpus === 0 ? undefined : { nanoCpus, memoryBytes: 0, pids: 0, generic: [] };
    const order = this.#random() < 0.3 ? UpdateOrder.START_FIRST : UpdateOrder.STOP_FIRST;
    return {
      annotations: { name: `service${++this.#serviceCount}`, labels: {} },
      task: TaskSpec.create({
        container: ContainerSpec.create({ image: 'app:1' }),
        networks: [NetworkAttachmentConfig.create({ target: 'net' })],
        resources: {
          limits: undefined,
          reservations,
          swapBytes: 0,
          hasSwap: false,
          memorySwappiness: 0,
          hasMemorySwappiness: false,
        },
      }),
      mode,
      update: isJob ? undefined : UpdateConfig.create({ parallelism: 1 + Math.floor(this.#random() * 3), order }),
      rollback: undefined,
      endpoint: undefined,
      networks: [],
    };
  }

  #changed(spec: ServiceSpec): ServiceSpec {
    const replicated = spec.mode?.replicated;
    if (replicated && spec.mode && this.#random() < 0.5)
      return { ...spec, mode: { ...spec.mode, replicated: { replicas: Math.floor(this.#random() * 7) } } };
    const image = `app:${Math.floor(this.#random() * 1000)}`;
    return {
      ...spec,
      task: spec.task && { ...spec.task, container: spec.task.container && { ...spec.task.container, image } },
    };
  }

  #break(): void {
    const agent = this.#pick(this.#agents);
    const manager = this.#pick(this.#group.managers);
    const dice = this.#random();
    if (!agent || !manager) return;
    if (dice < 0.25) agent.crash();
    else if (dice < 0.35) agent.powerOff();
    else if (dice < 0.6) {
      this.#cut.add(agent.id);
      agent.disconnect();
    } else if (dice < 0.8) this.#group.kill(manager);
    else this.#group.isolate(manager, true);
  }

  #mend(): void {
    for (const a of this.#agents) if (this.#random() < 0.5) a.start();
    for (const id of [...this.#cut]) if (this.#random() < 0.5) this.#cut.delete(id);
    for (const m of this.#group.managers) {
      if (this.#random() < 0.5) this.#group.start(m);
      if (m.isolated && this.#random() < 0.5) this.#group.isolate(m, false);
    }
  }
}
