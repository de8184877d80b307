/** `swarmts events`: what happens on this node and, on a manager, in the swarm, until ^C or --until. */
import { createInterface } from 'node:readline';
import { timeNanoFixed } from '@swarmts/lib';
import { filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { renderInspect } from '../../format/inspect-output.js';
import { filterQuery } from '../../http/filters.js';
import { timestamp } from '../../http/log-query.js';

interface Event {
  readonly Type?: string;
  readonly Action?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> | null };
}

/** The last digits of this number tell events apart, and do not fit into a double. */
const NANOS = /"timeNano":(\d+)/;

function eventLine(e: Event, ns: bigint): string {
  const attributes = Object.entries(e.Actor?.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${k}=${v}`)
    .join(', ');
  const tail = attributes === '' ? '' : ` (${attributes})`;
  return `${timeNanoFixed(ns)} ${e.Type ?? ''} ${e.Action ?? ''} ${e.Actor?.ID ?? ''}${tail}\n`;
}

/** The daemon sends one object per line. */
function render(line: string, format: string): string {
  if (format === 'json') return `${line}\n`;
  const event = JSON.parse(line) as Event;
  if (format !== '') return renderInspect([event], { format });
  return eventLine(event, BigInt(NANOS.exec(line)?.[1] ?? '0'));
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'json' or a Go template"),
    since: text('Show all events created since timestamp'),
    until: text('Stream events until this timestamp'),
  },
  arity: noArguments,
  async run(ctx, f) {
    const signal = ctx.interrupt();
    const time = (t: string) => (t === '' ? undefined : timestamp(t, ctx.now()));
    const query = { since: time(f.since), until: time(f.until), filters: filterQuery(f.filter) };
    try {
      const stream = await ctx.api.open('GET', '/events', { query, signal });
      for await (const line of createInterface({ input: stream })) {
        if (line.trim() === '') continue;
        ctx.out.write(render(line, f.format));
      }
    } catch (e) {
      if (!signal.aborted) throw e;
    }
  },
});
