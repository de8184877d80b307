/** Lines of `key: value` under headings, the form of `--pretty`. What has no value is left out. Pure. */
export type PrettyValue = string | number | boolean | undefined;

export class Pretty {
  readonly #lines: string[] = [];

  line(key: string, value: PrettyValue, depth = 0): this {
    if (value === undefined || value === '') return this;
    this.#lines.push(
      `${' '.repeat(depth)}${key}:${depth === 0 ? '\t' : ' '.repeat(Math.max(1, 15 - key.length))}${value}`,
    );
    return this;
  }

  heading(title: string): this {
    this.#lines.push(`${title}:`);
    return this;
  }

  map(title: string, entries: Readonly<Record<string, string>> | undefined): this {
    const keys = Object.keys(entries ?? {}).sort();
    if (keys.length === 0) return this;
    this.heading(title);
    for (const k of keys) this.#lines.push(` - ${k}${entries?.[k] ? `=${entries[k]}` : ''}`);
    return this;
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
