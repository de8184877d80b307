/**
 * Shows progress lines: on a terminal each id keeps its row, which is redrawn; elsewhere a line is written once per
 * change, and the rows of single tasks are left out, as their bars would be.
 */
import type { Output } from '../context.js';
import { type ProgressLine, RUNNING_STEP } from './progress.js';

const BAR_WIDTH = 50;
/** Narrower terminals show the state without a bar. */
const MIN_COLUMNS_FOR_BAR = 110;

export class ProgressDisplay {
  readonly #out: Output;
  readonly #rows: string[] = [];
  readonly #shown = new Map<string, string>();

  constructor(out: Output) {
    this.#out = out;
  }

  show(lines: readonly ProgressLine[]): void {
    for (const line of lines) {
      if (this.#out.isTerminal) this.#redraw(line);
      else this.#append(line);
    }
  }

  #append(line: ProgressLine): void {
    if (line.step !== undefined) return;
    const text = rendered(line, 0).trimEnd();
    if (this.#shown.get(line.id) === text) return;
    this.#shown.set(line.id, text);
    this.#out.write(`${text}\n`);
  }

  #redraw(line: ProgressLine): void {
    const text = rendered(line, this.#out.columns).slice(0, this.#out.columns);
    if (this.#shown.get(line.id) === text) return;
    this.#shown.set(line.id, text);
    const row = this.#rows.indexOf(line.id);
    if (row < 0) {
      this.#rows.push(line.id);
      this.#out.write(`${text}\n`);
      return;
    }
    const up = this.#rows.length - row;
    this.#out.write(`\u001b[${up}A\u001b[2K\r${text}\u001b[${up}B\r`);
  }
}

function rendered(line: ProgressLine, columns: number): string {
  const head = line.id === '' ? '' : `${line.id}: `;
  return `${head}${line.text}${line.step === undefined ? '' : ` ${bar(line.step, columns)}`}`;
}

function bar(done: number, columns: number): string {
  if (columns < MIN_COLUMNS_FOR_BAR) return '';
  const filled = Math.floor((done / RUNNING_STEP) * BAR_WIDTH);
  return `[${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}]`;
}
