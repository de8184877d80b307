// What a command prints: log lines above a level, output of the harness, indented where commands nest. The level NONE
// silences everything.
import { LEVELS, type Level } from './wording.js';

export class Output {
  #text = '';
  level: Level = 'DEBUG';

  get isQuiet(): boolean {
    return this.level === 'NONE';
  }

  get text(): string {
    return this.#text;
  }

  clear(): void {
    this.#text = '';
  }

  write(text: string): void {
    if (!this.isQuiet) this.#text += text;
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  log(level: Level, text: string): void {
    if (LEVELS.indexOf(this.level) <= LEVELS.indexOf(level)) this.line(`${level} ${text}`);
  }

  /** What `work` prints is set two columns to the right. */
  indented<T>(work: () => T): T {
    const before = this.#text;
    this.#text = '';
    try {
      return work();
    } finally {
      const lines = this.#text.split('\n');
      if (lines.at(-1) === '') lines.pop();
      this.#text = before + lines.map((line) => `  ${line}\n`).join('');
    }
  }
}
