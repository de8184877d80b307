// A group of members in a script, and the messages between them: every step of Raft is taken only when a command asks
// for it, and tells what it did.
import type { RaftOptions } from '../core/options.js';
import type { Snapshot } from '../types.js';
import { type AnyMessage, describeMessage, describeReady, MESSAGE_NAMES } from './notation.js';
import { Output } from './output.js';
import { ScriptMember } from './script-member.js';
import { wordingOf } from './wording.js';

/** What a command reports in etcd's words, as part of the output. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

export type InFlight = Exclude<AnyMessage, { type: 'storage-append' } | { type: 'storage-apply' }>;

function isLocal(message: InFlight): boolean {
  return (
    message.type === 'storage-append-response' ||
    message.type === 'storage-apply-response' ||
    message.from === message.to
  );
}

export class Interaction {
  readonly members: ScriptMember[] = [];
  readonly output = new Output();
  #inFlight: InFlight[] = [];

  addMember(options: Omit<RaftOptions, 'storage' | 'id' | 'trace'>, initial: Snapshot): void {
    const id = this.members.length + 1;
    const trace: RaftOptions['trace'] = (event) => {
      const wording = wordingOf(id, event);
      if (wording !== undefined) this.output.log(wording.level, wording.text);
    };
    this.members.push(new ScriptMember({ ...options, id, trace }, initial));
  }

  post(message: InFlight): void {
    this.#inFlight.push(message);
  }

  /** Those for `to`, of the type that etcd calls `typeName` if given. Answers of threads are never dropped. */
  #messagesTo(to: number, typeName: string | undefined, drop: boolean): InFlight[] {
    return this.#inFlight.filter((message) => {
      const isOfType = typeName === undefined || MESSAGE_NAMES[message.type] === typeName;
      return message.to === to && isOfType && !(drop && isLocal(message));
    });
  }

  /** Returns how many messages were delivered or dropped. */
  deliver(to: number, options: { readonly drop: boolean; readonly typeName?: string | undefined }): number {
    const messages = this.#messagesTo(to, options.typeName, options.drop);
    this.#inFlight = this.#inFlight.filter((message) => !messages.includes(message));
    for (const message of messages) {
      this.output.line(`${options.drop ? 'dropped: ' : ''}${describeMessage(message)}`);
      if (!options.drop) this.#deliverTo(this.members[to - 1], message);
    }
    return messages.length;
  }

  #deliverTo(member: ScriptMember | undefined, message: InFlight): void {
    if (member === undefined) throw new Refusal(`there is no node ${message.to} to deliver to`);
    if (message.type === 'storage-append-response' || message.type === 'storage-apply-response') {
      member.core.stepStorage(message);
      return;
    }
    switch (member.core.step(message)) {
      case 'unknown-sender':
        this.output.line('raft: cannot step as peer not found');
        break;
      case 'dropped':
        this.output.line('raft proposal dropped');
        break;
      case 'taken':
        break;
    }
  }

  processReady(member: ScriptMember): void {
    const ready = member.core.ready();
    this.output.write(describeReady(ready, member.mustSync(ready)));
    if (!member.isAsync) {
      member.write(ready);
      member.apply(ready.committedEntries);
    }
    this.#inFlight.push(...ready.messages);
    if (ready.storageAppend !== undefined) member.appendWork.push(ready.storageAppend);
    if (ready.storageApply !== undefined) member.applyWork.push(ready.storageApply);
    if (!member.isAsync) member.core.advance();
  }

  processAppend(member: ScriptMember): void {
    const work = member.appendWork.shift();
    if (work === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    this.output.write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    member.write(work);
    this.#respond(work.responses);
  }

  processApply(member: ScriptMember): void {
    const work = member.applyWork.shift();
    if (work === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.output.write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    member.apply(work.entries);
    this.#respond(work.responses);
  }

  #respond(responses: readonly InFlight[]): void {
    this.output.line('Responses:');
    for (const response of responses) this.output.line(describeMessage(response));
    this.#inFlight.push(...responses);
  }

  /** Goes on with the given members until there is nothing left to do among them. */
  stabilize(members: readonly ScriptMember[]): void {
    for (let isDone = false; !isDone; ) {
      isDone = true;
      const announce = (text: string, work: () => void): void => {
        this.output.line(text);
        this.output.indented(work);
        isDone = false;
      };
      for (const member of members) {
        if (member.core.hasReady()) announce(`> ${member.id} handling Ready`, () => this.processReady(member));
      }
      for (const { id } of members) {
        if (this.#messagesTo(id, undefined, false).length === 0) continue;
        announce(`> ${id} receiving messages`, () => this.deliver(id, { drop: false }));
      }
      for (const member of members) {
        if (member.appendWork.length === 0) continue;
        announce(`> ${member.id} processing append thread`, () => {
          while (member.appendWork.length > 0) this.processAppend(member);
        });
      }
      for (const member of members) {
        if (member.applyWork.length === 0) continue;
        announce(`> ${member.id} processing apply thread`, () => {
          while (member.applyWork.length > 0) this.processApply(member);
        });
      }
    }
  }
}
