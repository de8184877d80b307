/** `swarmts images` and `swarmts image ls`: the images of the node that answers. */
import { bool, filters, text } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { ago } from '../../format/duration.js';
import { printRows, type Row, type RowLayout } from '../../format/rows.js';
import { humanSize } from '../../format/size.js';
import { filterQuery } from '../../http/filters.js';

interface Image {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Created?: number;
  readonly Size?: number;
}

const SHORT_ID = 12;
const NONE = '<none>';

const layout: RowLayout = {
  table: '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}',
  headers: {
    Repository: 'REPOSITORY',
    Tag: 'TAG',
    Digest: 'DIGEST',
    ID: 'IMAGE ID',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    Size: 'SIZE',
  },
  quiet: '{{.ID}}',
};

/** One row per tag; an image without a tag has one row as well. */
export function imageRows(images: readonly Image[], o: { readonly trunc: boolean; readonly nowMs: number }): Row[] {
  return images.flatMap((image) => {
    const digests = image.RepoDigests ?? [];
    const tags = image.RepoTags ?? [];
    const created = (image.Created ?? 0) * 1000;
    const row = (repository: string, tag: string): Row => ({
      Repository: repository,
      Tag: tag,
      Digest: digests.find((d) => d.startsWith(`${repository}@`))?.split('@')[1] ?? NONE,
      ID: o.trunc ? image.Id.replace(/^sha256:/, '').slice(0, SHORT_ID) : image.Id,
      CreatedSince: ago(created, o.nowMs),
      CreatedAt: new Date(created)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, ' +0000 UTC'),
      Size: humanSize(image.Size ?? 0, 3),
    });
    if (tags.length === 0) return [row(digests[0]?.split('@')[0] ?? NONE, NONE)];
    return tags.map((t) => row(t.slice(0, t.lastIndexOf(':')), t.slice(t.lastIndexOf(':') + 1)));
  });
}

export const command = defineCommand({
  synopsis: '[REPOSITORY[:TAG]]',
  flags: {
    all: bool('Show all images (default hides intermediate images)', { short: 'a' }),
    digests: bool('Show digests'),
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only show image IDs', { short: 'q' }),
  },
  arity: between(0, 1),
  completes: 'image',
  async run(ctx, f, [reference]) {
    const more: Readonly<Record<string, readonly string[]>> = reference === undefined ? {} : { reference: [reference] };
    const images = await ctx.api.get<Image[]>('/images/json', { all: f.all, filters: filterQuery(f.filter, more) });
    const rows = imageRows(images, { trunc: !f['no-trunc'], nowMs: ctx.now() });
    const table = f.digests ? layout.table.replace('{{.ID}}', '{{.Digest}}\t{{.ID}}') : layout.table;
    printRows(ctx.out, { ...layout, table }, rows, f);
  },
});
