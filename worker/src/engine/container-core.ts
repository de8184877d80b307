/** What the parts of one container share: its record, the lock that puts its changes in order, and its events. */
import { SerialLock, SwarmtsError } from '@swarmts/lib';
import type { ContainerContext } from './container-context.js';
import { type ContainerPaths, containerPaths } from './container-paths.js';
import { type ContainerRecord, saveRecord, withoutContents } from './container-record.js';
import { attempt } from './container-teardown.js';

export class ContainerCore {
  readonly context: ContainerContext;
  readonly paths: ContainerPaths;
  readonly lock = new SerialLock();
  #record: ContainerRecord;
  #removed = false;
  #writes: Promise<void> = Promise.resolve();

  constructor(record: ContainerRecord, context: ContainerContext) {
    this.#record = withoutContents(record);
    this.context = context;
    this.paths = containerPaths(context, record.id);
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get id(): string {
    return this.#record.id;
  }

  get isRunning(): boolean {
    return this.#record.state === 'running' || this.#record.state === 'paused';
  }

  /** Running, or about to be again. */
  get isActive(): boolean {
    return this.isRunning || this.#record.state === 'restarting';
  }

  get isRemoved(): boolean {
    return this.#removed;
  }

  /**
   * What is not on disk does not count: the record stays as it was when it cannot be written. Changes are written one after the other, each
   * on top of those before: the health comes at any moment, whoever has the lock.
   */
  async change(change: Partial<ContainerRecord>): Promise<void> {
    const written = this.#writes.then(async () => {
      const next = { ...this.#record, ...change };
      await saveRecord(this.paths.container, next);
      this.#record = next;
    });
    this.#writes = written.catch(() => undefined);
    await written;
  }

  /** Of what is on disk already, or is true whether it can be written or not. */
  set(record: ContainerRecord): void {
    this.#record = record;
  }

  setRemoved(): void {
    this.#removed = true;
  }

  mustExist(): void {
    if (this.#removed) throw new SwarmtsError('not-found', `No such container: ${this.id}`);
  }

  emit(action: string, attributes?: Readonly<Record<string, string>>): void {
    this.context.emit(action, this.#record, attributes);
  }

  /** A step whose failure must not stop the ones after it. */
  async guarded(what: string, work: () => Promise<void>): Promise<void> {
    await attempt(this.context, this.#record, what, work);
  }
}

export function notRunning(id: string): SwarmtsError {
  return new SwarmtsError('conflict', `container ${id} is not running`);
}

export function isRestarting(id: string): SwarmtsError {
  return new SwarmtsError('conflict', `Container ${id} is restarting, wait until the container is running`);
}
