/** `secret` and `config` differ in their path and in what may be shown: the commands of both are made here. */
import { bool, filters, list, text } from '../args/flag.js';
import { atLeast, between, type Command, defineCommand, noArguments } from '../command.js';
import type { Context } from '../context.js';
import { CommandError, forEachTarget } from '../exit.js';
import { ago, prettyTime } from '../format/duration.js';
import { inspectAll } from '../format/inspect-output.js';
import { compareNatural } from '../format/natural.js';
import { Pretty } from '../format/pretty.js';
import { printRows, type RowLayout } from '../format/rows.js';
import { filterQuery } from '../http/filters.js';
import { readNamedFile } from '../read-file.js';
import { parsePair } from '../service/flag-values.js';

export type PayloadKind = 'secret' | 'config';

interface Payload {
  readonly ID: string;
  readonly CreatedAt?: string;
  readonly UpdatedAt?: string;
  readonly Spec: {
    readonly Name?: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Data?: string;
    readonly Driver?: { readonly Name?: string };
  };
}

/** What the managers accept at most; a larger file is refused before it is read into a request. */
const MAX_BYTES: Readonly<Record<PayloadKind, number>> = { secret: 500 * 1024, config: 1000 * 1024 };

const layout: RowLayout = {
  table: '{{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}',
  headers: {
    ID: 'ID',
    Name: 'NAME',
    CreatedAt: 'CREATED',
    UpdatedAt: 'UPDATED',
    Labels: 'LABELS',
    Label: (name: unknown) => String(name),
  },
  quiet: '{{.ID}}',
};

export function createCommand(kind: PayloadKind): Command {
  const title = kind === 'secret' ? 'Secret' : 'Config';
  return defineCommand({
    synopsis: kind === 'secret' ? 'SECRET file|-' : 'CONFIG file|-',
    flags: {
      label: list('list', `${title} labels`, parsePair, { short: 'l' }),
      'template-driver': text('Template driver'),
    },
    arity: between(2, 2),
    async run(ctx, f, [name = '', file = '']) {
      const data = await readPayload(ctx, kind, file);
      const created = await ctx.api.post<{ readonly ID: string }>(`/${kind}s/create`, {
        Name: name,
        Labels: Object.fromEntries(f.label),
        Data: data.toString('base64'),
        ...(f['template-driver'] === '' ? {} : { Templating: { Name: f['template-driver'] } }),
      });
      ctx.out.write(`${created.ID}\n`);
    },
  });
}

/** Of a file, or of stdin for "-". Throws CommandError. */
export async function readPayload(ctx: Context, kind: PayloadKind, file: string): Promise<Buffer> {
  const tooLarge = () => new CommandError(`${kind} is too large: the limit is ${MAX_BYTES[kind]} bytes`);
  if (file !== '-') {
    const data = readNamedFile(file, `error reading content from "${file}": `);
    if (data.length > MAX_BYTES[kind]) throw tooLarge();
    return data;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.stdin()) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_BYTES[kind]) throw tooLarge();
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

export function listCommand(kind: PayloadKind): Command {
  return defineCommand({
    synopsis: '',
    flags: {
      filter: filters(),
      format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
      quiet: bool('Only display IDs', { short: 'q' }),
    },
    arity: noArguments,
    async run(ctx, f) {
      const found = await ctx.api.get<Payload[]>(`/${kind}s`, { filters: filterQuery(f.filter) });
      const rows = found
        .toSorted((a, b) => compareNatural(a.Spec.Name ?? '', b.Spec.Name ?? ''))
        .map((p) => ({
          ID: p.ID,
          Name: p.Spec.Name ?? '',
          CreatedAt: ago(p.CreatedAt, ctx.now()),
          UpdatedAt: ago(p.UpdatedAt, ctx.now()),
          Labels: Object.entries(p.Spec.Labels ?? {})
            .map(([k, v]) => `${k}=${v}`)
            .join(','),
          Label: (name: unknown) => p.Spec.Labels?.[String(name)] ?? '',
        }));
      printRows(ctx.out, layout, rows, f);
    },
  });
}

function pretty(kind: PayloadKind): (p: Payload) => string {
  return (p) => {
    const out = new Pretty()
      .line('ID', p.ID)
      .line('Name', p.Spec.Name)
      .map('Labels', p.Spec.Labels ?? {});
    out.line('Created at', prettyTime(p.CreatedAt)).line('Updated at', prettyTime(p.UpdatedAt));
    if (kind === 'config') out.line('Data', `\n${Buffer.from(p.Spec.Data ?? '', 'base64').toString()}`);
    return out.text();
  };
}

export function inspectCommand(kind: PayloadKind): Command {
  return defineCommand({
    synopsis: kind === 'secret' ? 'SECRET [SECRET...]' : 'CONFIG [CONFIG...]',
    flags: {
      format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }),
      pretty: bool('Print the information in a human friendly format'),
    },
    arity: atLeast(1),
    completes: kind,
    async run(ctx, f, refs) {
      const get = (ref: string) => ctx.api.get<Payload>(`/${kind}s/${encodeURIComponent(ref)}`);
      await inspectAll(ctx, refs, get, { format: f.format, pretty: f.pretty ? pretty(kind) : undefined });
    },
  });
}

export function removeCommand(kind: PayloadKind): Command {
  return defineCommand({
    synopsis: kind === 'secret' ? 'SECRET [SECRET...]' : 'CONFIG [CONFIG...]',
    flags: {},
    arity: atLeast(1),
    completes: kind,
    async run(ctx, _flags, refs) {
      await forEachTarget(refs, async (ref) => {
        await ctx.api.delete(`/${kind}s/${encodeURIComponent(ref)}`);
        ctx.out.write(`${ref}\n`);
      });
    },
  });
}
