// What must hold whatever fails, checked after every step of every member: Raft's own properties (figure 3 of the
// paper), and what an answer promises. A violation names the members and the place.
import { hasQuorum } from '../../core/quorum.js';
import type { RawNode } from '../../core/raw-node.js';
import type { Message } from '../../message.js';
import { type ConfState, type Entry, isConfEntry } from '../../types.js';
import { SafetyViolation } from '../checker.js';
import type { ModelDisk } from './model-disk.js';

/** Terms are far below this in a simulation: a place in a log and a term make one number. */
const MAX_TERM = 2 ** 16;
const keyOf = (index: number, term: number): number => index * MAX_TERM + term;

interface KnownEntry {
  readonly prevTerm: number;
  readonly fingerprint: number;
  readonly isConf: boolean;
}

function fingerprintOf(entry: Entry): number {
  let hash = entry.type.length;
  for (const byte of entry.data) hash = (Math.imul(hash, 16_777_619) ^ byte) >>> 0;
  return hash;
}

export interface Watched {
  readonly id: number;
  readonly core: RawNode;
  readonly disk: ModelDisk;
}

export class Invariants {
  /** By term: who led it, and in which of its lives. */
  readonly #leaders = new Map<number, { readonly id: number; readonly life: number }>();
  readonly #lives = new Map<number, number>();
  readonly #entries = new Map<number, KnownEntry>();
  /** Term of each committed entry, by index. */
  readonly #committed: number[] = [];
  /** The term in which each was committed, which may be later than its own. */
  readonly #commitTerms: number[] = [];
  readonly #confStates = new Map<number, string>();
  /** By member and term: whom it voted for. */
  readonly #votes = new Map<string, number>();
  readonly #seenCommit = new Map<number, number>();
  readonly #seenTerm = new Map<number, number>();
  readonly #ledTerm = new Map<number, number>();
  readonly #disks: ReadonlyMap<number, ModelDisk>;
  highestTerm = 0;

  constructor(disks: ReadonlyMap<number, ModelDisk>, founded: { readonly index: number; readonly term: number }) {
    this.#disks = disks;
    this.#committed[founded.index] = founded.term;
    this.#commitTerms[founded.index] = founded.term;
  }

  get highestCommit(): number {
    return this.#committed.length - 1;
  }

  /** A member was started (again): what it knows of the commit index may be less than before. */
  noteStart({ id, core }: Watched): void {
    this.#seenCommit.set(id, 0);
    this.#seenTerm.set(id, core.term);
    this.#ledTerm.delete(id);
    this.#lives.set(id, this.#lifeOf(id) + 1);
  }

  #lifeOf(id: number): number {
    return this.#lives.get(id) ?? 0;
  }

  /** After any input to a member, and before its batches are handled. */
  check(member: Watched): void {
    const { id, core } = member;
    const { term } = core;
    if (term < (this.#seenTerm.get(id) ?? 0)) throw new SafetyViolation(`member ${id} went back to term ${term}`);
    this.#seenTerm.set(id, term);
    if (term > this.highestTerm) this.highestTerm = term;
    if (core.role === 'leader' && this.#ledTerm.get(id) !== term) this.#noteLeader(member);
    this.#checkCommit(member);
  }

  #noteLeader({ id, core }: Watched): void {
    const { term } = core;
    this.#ledTerm.set(id, term);
    const life = this.#lifeOf(id);
    const other = this.#leaders.get(term) ?? { id, life };
    if (other.id !== id) {
      throw new SafetyViolation(`election safety: members ${other.id} and ${id} both lead in term ${term}`);
    }
    if (other.life !== life) throw new SafetyViolation(`election safety: member ${id} leads in term ${term} once more`);
    this.#leaders.set(term, other);
    // The last entry that was committed in an earlier term stands for all before it.
    let index = this.highestCommit;
    while ((this.#commitTerms[index] ?? 0) >= term) index -= 1;
    const own = core.termOf(index);
    if (index > 0 && own !== undefined && own !== this.#committed[index]) this.#failCompleteness(id, term, index);
    if (index > 0 && own === undefined && core.lastIndex < index) this.#failCompleteness(id, term, index);
  }

  #failCompleteness(id: number, term: number, index: number): never {
    throw new SafetyViolation(
      `leader completeness: member ${id} leads in term ${term} without committed entry ${index}`,
    );
  }

  #checkCommit({ id, core }: Watched): void {
    const before = this.#seenCommit.get(id) ?? 0;
    const { commit } = core;
    if (commit === before) return;
    if (commit < before)
      throw new SafetyViolation(`member ${id} took the commit index back from ${before} to ${commit}`);
    this.#seenCommit.set(id, commit);
    for (let index = before + 1; index <= commit; index += 1) {
      const term = core.termOf(index);
      if (term === undefined) continue;
      const known = this.#committed[index];
      if (known === undefined) this.#noteCommitted(id, core, index, term);
      else if (known !== term) {
        throw new SafetyViolation(
          `state machine safety: member ${id} commits term ${term} at ${index}, where term ${known} was committed`,
        );
      }
    }
  }

  /** The first to commit an entry must have it on the disks of a majority. */
  #noteCommitted(id: number, core: RawNode, index: number, term: number): void {
    this.#committed[index] = term;
    this.#commitTerms[index] = core.term;
    const { voters, votersOutgoing = [] } = core.confState;
    const isDurable = (voter: number): boolean => {
      const storage = this.#disks.get(voter)?.storage;
      return storage !== undefined && (storage.term(index) === term || storage.firstIndex() > index);
    };
    if (hasQuorum([new Set(voters), new Set(votersOutgoing)], isDurable)) return;
    const holders = [...voters, ...votersOutgoing].filter(isDurable);
    throw new SafetyViolation(
      `member ${id} commits entry ${index} of term ${term}, which is only on the disks of ${holders.join(', ') || 'nobody'}`,
    );
  }

  /** Entries on their way to a member's disk. */
  checkEntries({ id, core }: Watched, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const prevTerm = core.termOf(entry.index - 1);
      // Replaced already, while it waited to be written.
      if (core.termOf(entry.index) !== entry.term || prevTerm === undefined) continue;
      const key = keyOf(entry.index, entry.term);
      const known = this.#entries.get(key);
      const fingerprint = fingerprintOf(entry);
      if (known === undefined) {
        const isConf = isConfEntry(entry);
        if (isConf && core.role === 'leader' && entry.term === core.term) this.#checkChange(id, core, entry);
        this.#entries.set(key, { prevTerm, fingerprint, isConf });
      } else if (known.fingerprint !== fingerprint || known.prevTerm !== prevTerm) {
        throw new SafetyViolation(
          `log matching: entry ${entry.index} of term ${entry.term} at member ${id} is not what it is elsewhere`,
        );
      }
    }
  }

  /** A new membership change follows only committed ones, and a committed entry of its leader's own term. */
  #checkChange(id: number, core: RawNode, entry: Entry): void {
    if ((this.#committed.at(-1) ?? 0) < entry.term) {
      throw new SafetyViolation(
        `member ${id} changes the members in term ${entry.term}, in which nothing is committed`,
      );
    }
    for (let index = entry.index - 1; index > core.commit; index -= 1) {
      if (this.#entries.get(keyOf(index, core.termOf(index) ?? 0))?.isConf !== true) continue;
      throw new SafetyViolation(
        `member ${id} changes the members at ${entry.index}, and ${index} is not committed yet`,
      );
    }
  }

  /** An applied membership change has the same result everywhere. */
  checkConfState(id: number, index: number, confState: ConfState): void {
    const state = JSON.stringify(confState);
    const known = this.#confStates.get(index) ?? state;
    if (known !== state)
      throw new SafetyViolation(`member ${id} has ${state} after entry ${index}, another has ${known}`);
    this.#confStates.set(index, state);
  }

  checkApplied(id: number, entry: Entry): void {
    const committed = this.#committed[entry.index];
    if (committed === entry.term) return;
    throw new SafetyViolation(
      `state machine safety: member ${id} applies term ${entry.term} at ${entry.index}, where term ${committed} was committed`,
    );
  }

  /** An answer on its way to another member: what it promises is on disk. */
  checkSent({ id, disk }: Watched, message: Message): void {
    if (message.type === 'append-response' && !message.reject && message.index > 0) {
      const { term } = disk.storage.initialState().hardState;
      const last = disk.storage.lastIndex();
      // A member that has moved on to a later term may have replaced what it confirms. Whoever replaced it was elected
      // by a majority that knew nothing of it, so it will never be committed, whatever is confirmed.
      if (term < message.term || (term === message.term && last < message.index)) {
        const stored = `its disk ends at ${last} in term ${term}`;
        throw new SafetyViolation(
          `member ${id} confirms entry ${message.index} in term ${message.term}, but ${stored}`,
        );
      }
    } else if (message.type === 'vote-response' && !message.reject) {
      this.#checkVote(id, disk, message.term, message.to);
    }
  }

  #checkVote(id: number, disk: ModelDisk, term: number, candidate: number): void {
    const key = `${id} ${term}`;
    const before = this.#votes.get(key) ?? candidate;
    if (before !== candidate) {
      throw new SafetyViolation(`member ${id} votes in term ${term} for ${candidate} and before for ${before}`);
    }
    this.#votes.set(key, candidate);
    const stored = disk.storage.initialState().hardState;
    if (stored.term < term || (stored.term === term && stored.vote !== candidate)) {
      const what = `term ${stored.term} and a vote for ${stored.vote}`;
      throw new SafetyViolation(`member ${id} votes for ${candidate} in term ${term}, but its disk holds ${what}`);
    }
  }
}
