/** What the `ps` of services, nodes and stacks have in common: their flags, and how they print the tasks that they found. */
import { bool, type FlagValues, filters, text } from '../args/flag.js';
import type { Context } from '../context.js';
import type { Task } from '../engine-types.js';
import { printRows } from '../format/rows.js';
import { loadNames, rawNames, taskLayout, taskRows } from './tasks.js';

export const taskListFlags = {
  filter: filters(),
  format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
  'no-resolve': bool('Do not map IDs to Names'),
  'no-trunc': bool('Do not truncate output'),
  quiet: bool('Only display task IDs', { short: 'q' }),
};

export async function printTasks(
  ctx: Context,
  tasks: readonly Task[],
  f: FlagValues<typeof taskListFlags>,
): Promise<void> {
  const names = f['no-resolve'] ? rawNames : await loadNames(ctx);
  const rows = taskRows(tasks, names, { trunc: !f['no-trunc'] && !f.quiet, format: f.format, nowMs: ctx.now() });
  printRows(ctx.out, taskLayout, rows, f);
}
