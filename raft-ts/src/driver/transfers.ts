// Leadership transfers that callers wait for: done when the chosen member leads, given up after a number of ticks or
// when somebody else leads.
import { RaftError } from '../errors.js';
import { NOBODY } from '../types.js';

interface Transfer {
  readonly to: number;
  ticksLeft: number;
  resolve(): void;
  reject(error: RaftError): void;
}

export class Transfers {
  readonly #timeoutTicks: number;
  #pending: Transfer[] = [];
  #leader = NOBODY;

  constructor(timeoutTicks: number) {
    this.#timeoutTicks = timeoutTicks;
  }

  add(to: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ to, ticksLeft: this.#timeoutTicks, resolve, reject });
    });
  }

  noteLeader(leader: number): void {
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader === NOBODY) return;
    for (const transfer of this.#pending.splice(0)) {
      if (transfer.to === leader) transfer.resolve();
      else transfer.reject(new RaftError('dropped', `member ${leader} leads instead of ${transfer.to}`, { leader }));
    }
  }

  tick(): void {
    for (const transfer of this.#pending) transfer.ticksLeft -= 1;
    const expired = this.#pending.filter((transfer) => transfer.ticksLeft <= 0);
    this.#pending = this.#pending.filter((transfer) => transfer.ticksLeft > 0);
    for (const { to, reject } of expired) {
      reject(new RaftError('dropped', `member ${to} did not take over in time`));
    }
  }

  rejectAll(error: RaftError): void {
    for (const transfer of this.#pending.splice(0)) transfer.reject(error);
  }
}
