/**
 * The stream of JSON records that pull, push, load, import and build answer with: one per line, errors among them. On a
 * terminal the layers have lines of their own with bars, which are drawn over; elsewhere every step is printed once.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Output } from '../context.js';
import { CommandError } from '../exit.js';
import { progressBar } from './progress-bar.js';

export interface ProgressRecord {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string; readonly code?: number };
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: unknown;
}

export async function showProgress(
  source: Readable,
  out: Output,
  quiet: boolean,
  onAux: (aux: unknown) => void = () => undefined,
): Promise<void> {
  const display = out.isTerminal ? new TerminalLines(out) : new PlainLines(out);
  for await (const line of createInterface({ input: source })) {
    if (line.trim() === '') continue;
    const r = JSON.parse(line) as ProgressRecord;
    if (r.error !== undefined || r.errorDetail) throw failureOf(r);
    if (r.aux !== undefined) onAux(r.aux);
    else if (!quiet) display.show(r);
  }
}

function failureOf(r: ProgressRecord): CommandError {
  const message = r.errorDetail?.message ?? r.error ?? 'the daemon reported an error';
  return new CommandError(message, r.errorDetail?.code || 1);
}

/** Layers in progress print their steps once each; the numbers of a running download are left out. */
class PlainLines {
  readonly #out: Output;
  readonly #last = new Map<string, string>();

  constructor(out: Output) {
    this.#out = out;
  }

  show(r: ProgressRecord): void {
    if (r.stream !== undefined) this.#out.write(r.stream);
    if (r.status === undefined) return;
    if (r.id !== undefined && this.#last.get(r.id) === r.status) return;
    if (r.id !== undefined) this.#last.set(r.id, r.status);
    this.#out.write(`${r.id ? `${r.id}: ` : ''}${r.status}\n`);
  }
}

/** Records with an id belong to a line, as long as no other text comes in between. */
class TerminalLines {
  readonly #out: Output;
  #lines: string[] = [];

  constructor(out: Output) {
    this.#out = out;
  }

  show(r: ProgressRecord): void {
    if (r.stream !== undefined) {
      this.#lines = [];
      this.#out.write(r.stream);
    }
    if (r.status === undefined) return;
    if (!r.id || r.progressDetail === undefined) {
      this.#lines = [];
      this.#out.write(`${r.id ? `${r.id}: ` : ''}${r.status}\n`);
      return;
    }
    this.#redraw(r.id, `${r.id}: ${r.status} ${progressBar(r.progressDetail, this.#out.columns)}`.trimEnd());
  }

  #redraw(id: string, text: string): void {
    let at = this.#lines.indexOf(id);
    if (at < 0) {
      at = this.#lines.push(id) - 1;
      this.#out.write('\n');
    }
    const up = this.#lines.length - at;
    this.#out.write(`\x1b[${up}A\r\x1b[2K${text}\r\x1b[${up}B`);
  }
}
