/**
 * Where Raft's members are reached: fed by conf changes, snapshots and the join answer, kept in a file beside the log, so
 * that a restarted manager can dial the others before it has heard of them. Who is a member is Raft's own knowledge.
 */
import { join } from 'node:path';
import { readFileIfThere, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import { RaftMember } from '@swarmts/proto';

interface StoredMember {
  readonly raftId: number;
  readonly nodeId: string;
  readonly addr: string;
}

export class AddressBook {
  readonly #path: string;
  readonly #members = new Map<number, RaftMember>();
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(dir: string): Promise<AddressBook> {
    const book = new AddressBook(join(dir, 'members.json'));
    const text = await readFileIfThere(book.#path);
    if (text === undefined) return book;
    try {
      for (const m of JSON.parse(text) as readonly StoredMember[]) book.#members.set(m.raftId, RaftMember.create(m));
    } catch (e) {
      throw new SwarmtsError(
        'corrupt',
        `${book.#path} cannot be read: remove it, the members are found again when one of them calls`,
        { cause: e },
      );
    }
    return book;
  }

  get(raftId: number): RaftMember | undefined {
    return this.#members.get(raftId);
  }

  list(): readonly RaftMember[] {
    return [...this.#members.values()];
  }

  put(members: readonly RaftMember[]): void {
    for (const m of members) this.#members.set(m.raftId, m);
    this.#save();
  }

  remove(raftId: number): void {
    if (this.#members.delete(raftId)) this.#save();
  }

  /** Resolves when what was put is on disk; an error of the disk comes out here. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  #save(): void {
    const text = JSON.stringify(this.list().map(({ raftId, nodeId, addr }) => ({ raftId, nodeId, addr })));
    this.#saving = this.#saving.then(
      () => writeFileAtomic(this.#path, text),
      () => writeFileAtomic(this.#path, text),
    );
    // The next save tries again; `saved` tells those who must know.
    this.#saving.catch(() => undefined);
  }
}
