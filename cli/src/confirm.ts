/** The question before something is removed. */
import { createInterface } from 'node:readline/promises';
import type { Context } from './context.js';

export async function confirmed(ctx: Context, warning: string): Promise<boolean> {
  ctx.out.write(`${warning}Are you sure you want to continue? [y/N] `);
  return /^y(es)?$/i.test((await readLine(ctx)).trim());
}

/** One line from standard input, '' at its end. */
export async function readLine(ctx: Context): Promise<string> {
  const lines = createInterface({ input: ctx.stdin() });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}
