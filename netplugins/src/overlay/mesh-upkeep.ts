/** Keeps the rules of published ports, in the host's namespace, in step with what is known of the ingress network and of its tasks here. */
import { connectionsTo, datagramPorts, MESH_TABLE, meshRules, shortcutsOf } from './mesh-rules.js';
import { isIngress, type NetworkView, usesTunnels } from './network-view.js';
import type { LegSpec, RouterExecutor } from './router-spec.js';
import type { WrittenRules } from './written-rules.js';

const HOST = '';

export interface MeshSituation {
  readonly nodeId: string;
  readonly dataPathPort: number;
  readonly views: readonly NetworkView[];
  /** Legs of this node on a network. */
  readonly legsOf: (networkId: string) => readonly LegSpec[];
}

export class MeshUpkeep {
  readonly #executor: Pick<RouterExecutor, 'flushConnections' | 'removeRules'>;
  readonly #written: WrittenRules;
  /** As the rules have them. */
  #shortcuts: ReadonlyMap<string, string> = new Map();
  /** Ports that have been published, whose connections from before are still to be forgotten. */
  readonly #fresh = new Set<string>();

  constructor(executor: Pick<RouterExecutor, 'flushConnections' | 'removeRules'>, written: WrittenRules) {
    this.#executor = executor;
    this.#written = written;
  }

  async reconcile({ nodeId, dataPathPort, views, legsOf }: MeshSituation): Promise<void> {
    if (nodeId === '' || views.length === 0) return;
    const others = views
      .filter((v) => !usesTunnels(v))
      .flatMap((v) => [...v.peers.values()])
      .filter((p) => p.nodeId !== nodeId);
    const ingress = views.find((v) => isIngress(v) && v.peers.has(nodeId));
    this.#shortcuts = shortcutsOf(legsOf(ingress?.id ?? ''));
    const rules = meshRules({
      nodeId,
      ingress,
      shortcuts: this.#shortcuts,
      dataPathPort,
      vteps: [...new Set(others.map((p) => p.addr))].sort(),
    });
    const before = this.#written.of(HOST);
    await this.#written.bring(HOST, rules);
    if (before) this.#noteFresh(datagramPorts(before), datagramPorts(rules));
    await this.#lookAgain();
  }

  async remove(): Promise<void> {
    this.#written.forget(HOST);
    await this.#executor.removeRules(HOST, [`inet ${MESH_TABLE}`]);
  }

  /** Where connections to a task may lead that go by its way out. */
  shortcutTo(address: string): readonly string[] {
    const shortcut = this.#shortcuts.get(address);
    return shortcut === undefined ? [] : [shortcut];
  }

  /** Whoever has been sending to a port since before it was published keeps the verdict of the first packet otherwise. */
  async #lookAgain(): Promise<void> {
    for (const key of [...this.#fresh]) {
      await this.#executor.flushConnections(connectionsTo(key));
      this.#fresh.delete(key);
    }
  }

  #noteFresh(before: ReadonlySet<string>, now: ReadonlySet<string>): void {
    for (const key of now) if (!before.has(key)) this.#fresh.add(key);
  }
}
