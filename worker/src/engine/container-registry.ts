/** The containers by id and name. A name is taken from the moment its creation begins until its removal is over. */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import type { ImageUser } from '../images/image-service.js';
import type { Container } from './container.js';
import type { ContainerRecord } from './container-record.js';

export interface Plan {
  readonly images: { readonly imageId: string; readonly chain: readonly string[] }[];
  readonly volumes: Set<string>;
}

export class ContainerRegistry {
  readonly #containers = new Map<string, Container>();
  readonly #names = new Map<string, string>();
  /** What containers that are being made are to have, by their ids: nobody is to remove it meanwhile. */
  readonly #plans = new Map<string, Plan>();

  /** Throws 'conflict' as Docker words it. */
  reserveName(name: string, id: string): void {
    const owner = this.#names.get(name);
    if (owner !== undefined) {
      const hint = `You have to remove (or rename) that container to be able to reuse that name.`;
      throw new SwarmtsError(
        'conflict',
        `Conflict. The container name "/${name}" is already in use by container "${owner}". ${hint}`,
      );
    }
    this.#names.set(name, id);
  }

  isNameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  releaseName(name: string, id: string): void {
    if (this.#names.get(name) === id) this.#names.delete(name);
  }

  /** The container keeps its old name when `change` fails. */
  async rename(container: Container, name: string, change: () => Promise<void>): Promise<void> {
    const { id, config } = container.record;
    try {
      this.reserveName(name, id);
    } catch (e) {
      throw new SwarmtsError('conflict', `Error when allocating new name: ${messageOf(e)}`, { cause: e });
    }
    try {
      await change();
    } catch (e) {
      this.releaseName(name, id);
      throw e;
    }
    this.releaseName(config.name, id);
  }

  add(container: Container): void {
    this.#containers.set(container.record.id, container);
  }

  /** Until `forget`. */
  plan(id: string): Plan {
    const plan: Plan = { images: [], volumes: new Set() };
    this.#plans.set(id, plan);
    return plan;
  }

  /** The container is here, or will not be. */
  forget(id: string): void {
    this.#plans.delete(id);
  }

  delete(container: Container): void {
    this.#containers.delete(container.record.id);
    this.releaseName(container.record.config.name, container.record.id);
  }

  byId(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  /** By id, name, or unique id prefix, in this order. Throws 'invalid-argument' for a prefix of several. */
  find(text: string): Container | undefined {
    const name = text.startsWith('/') ? text.slice(1) : text;
    const exact = this.#containers.get(text) ?? this.#containers.get(this.#names.get(name) ?? '');
    if (exact) return exact;
    if (name.includes('/')) return this.#linked(name);
    if (!/^[0-9a-f]{1,63}$/.test(text)) return undefined;
    const matching = [...this.#containers.keys()].filter((id) => id.startsWith(text));
    if (matching.length > 1) {
      throw new SwarmtsError('invalid-argument', `Multiple IDs found with provided prefix: ${text}`);
    }
    return this.#containers.get(matching[0] ?? '');
  }

  /** "web/db": the container web, its link of that name, and whom that leads to while it is there. Throws Docker's words. */
  link(path: string): { readonly parent: Container; readonly alias: string; readonly target: Container | undefined } {
    const [, name = '', alias = ''] = /^\/?([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (alias === '')
      throw new SwarmtsError('conflict', 'Conflict, cannot remove the default link name of the container');
    const parent = this.find(name);
    const link = parent?.record.config.links?.find((l) => l.alias === alias);
    if (!parent || !link) throw new SwarmtsError('not-found', `Cannot get parent /${name} for link name ${path}`);
    return { parent, alias, target: this.byId(link.container) };
  }

  #linked(path: string): Container | undefined {
    try {
      return this.link(path).target;
    } catch {
      return undefined;
    }
  }

  get(text: string): Container {
    const container = this.find(text);
    if (!container) throw new SwarmtsError('not-found', `No such container: ${text}`);
    return container;
  }

  all(): Container[] {
    return [...this.#containers.values()];
  }

  imageUsers(): ImageUser[] {
    const present = this.all().flatMap(({ record, isRunning: running }) =>
      imagesOf(record).map((image) => ({ ...image, containerId: record.id, running })),
    );
    const planned = [...this.#plans].flatMap(([containerId, { images }]) =>
      images.map((image) => ({ containerId, running: false, ...image })),
    );
    return [...present, ...planned];
  }

  /** Ids of the containers that have the volume. */
  volumeUsers(volume: string): string[] {
    const present = this.all()
      .filter((c) => c.record.mounts.some((m) => m.type === 'volume' && m.source === volume))
      .map((c) => c.record.id);
    const planned = [...this.#plans].flatMap(([id, { volumes }]) => (volumes.has(volume) ? [id] : []));
    return [...present, ...planned];
  }
}

/** What it stands on and what it has mounted, each image once. */
function imagesOf({ imageId, chain, mounts }: ContainerRecord): Plan['images'] {
  const all = [{ imageId, chain }, ...mounts.flatMap(({ image }) => (image ? [image] : []))];
  return [...new Map(all.map((image) => [image.imageId, image])).values()];
}
