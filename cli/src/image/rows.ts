/** Images of this node as `images` lists them. Pure. */
import { ago } from '../format/duration.js';
import type { Row, RowLayout } from '../format/rows.js';
import { humanSize } from '../format/size.js';

export interface Image {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly RepoDigests?: readonly string[] | null;
  readonly Created?: number;
  readonly Size?: number;
}

const SHORT_ID = 12;
const NONE = '<none>';

export const imageLayout: RowLayout = {
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
