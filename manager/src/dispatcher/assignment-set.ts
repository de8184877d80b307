/**
 * What one node is assigned: its tasks, the secrets and configs that they use, the networks that it takes part in, and the cluster volumes that were brought to it. Computes the full set and, from
 * changes, the increments; a node never sees anything of another node's tasks.
 */
import {
  Assignments,
  AssignmentsKind,
  type Config,
  observedState,
  type Secret,
  type Task,
  TaskState,
} from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import { NetworkAssignments } from './network-assignments.js';
import type { NetworkIndex, TouchedNetwork } from './network-index.js';
import { VolumeAssignments } from './volume-assignments.js';

/** Tasks are sent from ASSIGNED on, and stay with the node until they are deleted. A plain container's is not run by the agent. */
function belongsToNode(t: Task, nodeId: string): boolean {
  return t.nodeId === nodeId && observedState(t) >= TaskState.ASSIGNED && t.spec?.attachment === undefined;
}

export class AssignmentSet {
  readonly #nodeId: string;
  readonly #sent = new Map<string, Task>();
  readonly #secrets = new Map<string, number>();
  readonly #configs = new Map<string, number>();
  readonly #networks: NetworkAssignments;
  readonly #volumes: VolumeAssignments;
  #sequence = 0;

  constructor(nodeId: string, index: NetworkIndex) {
    this.#nodeId = nodeId;
    this.#networks = new NetworkAssignments(nodeId, index);
    this.#volumes = new VolumeAssignments(nodeId);
  }

  complete(tx: ReadTx): Assignments {
    this.#sent.clear();
    this.#secrets.clear();
    this.#configs.clear();
    const tasks = tx.by('task', 'node', this.#nodeId).filter((t) => belongsToNode(t, this.#nodeId));
    for (const t of tasks) this.#sent.set(t.id, t);
    this.#sequence++;
    return Assignments.create({
      kind: AssignmentsKind.COMPLETE_SET,
      resultsIn: this.#sequence,
      tasks,
      secrets: this.#newSecrets(tx),
      configs: this.#newConfigs(tx),
      networks: this.#networks.complete(tx),
      ...this.#volumes.complete(tx),
      dataPathPort: tx.list('cluster')[0]?.dataPathPort ?? 0,
    });
  }

  /** The increment for the tasks (and secrets, configs, networks, volumes) that were touched; undefined when nothing matters to the node. */
  increment(
    tx: ReadTx,
    touched: ReadonlySet<string>,
    touchedNetworks: ReadonlyMap<string, TouchedNetwork>,
    touchedVolumes: ReadonlySet<string>,
  ): Assignments | undefined {
    const tasks: Task[] = [];
    const removedTaskIds: string[] = [];
    for (const id of touched) {
      const now = tx.get('task', id);
      const before = this.#sent.get(id);
      if (now && belongsToNode(now, this.#nodeId)) {
        if (before && !mattersToAgent(before, now)) continue;
        this.#sent.set(id, now);
        tasks.push(now);
      } else if (before) {
        this.#sent.delete(id);
        removedTaskIds.push(id);
      }
    }
    const secrets = this.#newSecrets(tx);
    const configs = this.#newConfigs(tx);
    const removedSecretIds = this.#unused(this.#secrets, secretIdsOf);
    const removedConfigIds = this.#unused(this.#configs, configIdsOf);
    const { networks, removedNetworkIds } = this.#networks.increment(tx, touchedNetworks);
    const { volumes, removedVolumeIds } = this.#volumes.increment(tx, touchedVolumes);
    const size =
      volumes.length +
      removedVolumeIds.length +
      networks.length +
      removedNetworkIds.length +
      tasks.length +
      removedTaskIds.length +
      secrets.length +
      configs.length +
      removedSecretIds.length +
      removedConfigIds.length;
    if (size === 0) return undefined;
    const appliesTo = this.#sequence++;
    return Assignments.create({
      kind: AssignmentsKind.INCREMENTAL,
      appliesTo,
      resultsIn: this.#sequence,
      tasks,
      removedTaskIds,
      secrets,
      removedSecretIds,
      configs,
      removedConfigIds,
      networks,
      removedNetworkIds,
      volumes,
      removedVolumeIds,
    });
  }

  #newSecrets(tx: ReadTx): readonly Secret[] {
    return this.#fresh(this.#secrets, secretIdsOf, (id) => tx.get('secret', id));
  }

  #newConfigs(tx: ReadTx): readonly Config[] {
    return this.#fresh(this.#configs, configIdsOf, (id) => tx.get('config', id));
  }

  #needed(idsOf: (t: Task) => readonly string[]): Set<string> {
    const live = [...this.#sent.values()].filter((t) => observedState(t) <= TaskState.RUNNING);
    return new Set(live.flatMap(idsOf));
  }

  #fresh<T extends { readonly meta: { readonly version: { readonly index: number } | undefined } | undefined }>(
    known: Map<string, number>,
    idsOf: (t: Task) => readonly string[],
    get: (id: string) => T | undefined,
  ): readonly T[] {
    const out: T[] = [];
    for (const id of this.#needed(idsOf)) {
      const object = get(id);
      const version = object?.meta?.version?.index ?? 0;
      if (!object || known.get(id) === version) continue;
      known.set(id, version);
      out.push(object);
    }
    return out;
  }

  #unused(known: Map<string, number>, idsOf: (t: Task) => readonly string[]): readonly string[] {
    const needed = this.#needed(idsOf);
    const gone = [...known.keys()].filter((id) => !needed.has(id));
    for (const id of gone) known.delete(id);
    return gone;
  }
}

const secretIdsOf = (t: Task) => (t.spec?.container?.secrets ?? []).map((s) => s.secretId);
const configIdsOf = (t: Task) => (t.spec?.container?.configs ?? []).map((c) => c.configId);

/** The agent itself reports states: only what managers decide is news for it. */
function mattersToAgent(before: Task, now: Task): boolean {
  return before.desiredState !== now.desiredState || before.spec !== now.spec || before.networks !== now.networks;
}
