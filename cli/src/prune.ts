/** What the `prune` commands remove, each kind by the daemon itself; `system prune` does several. */
import type { Context } from './context.js';
import { humanSize } from './format/size.js';
import { filterQuery } from './http/filters.js';

export interface Pruned {
  /** A heading and a line for each that is gone; '' when nothing is. */
  readonly report: string;
  readonly freedBytes: number;
}

interface Answer {
  readonly ContainersDeleted?: readonly string[] | null;
  readonly NetworksDeleted?: readonly string[] | null;
  readonly VolumesDeleted?: readonly string[] | null;
  readonly CachesDeleted?: readonly string[] | null;
  readonly ImagesDeleted?: readonly { readonly Untagged?: string; readonly Deleted?: string }[] | null;
  readonly SpaceReclaimed?: number;
}

export async function pruneContainers(ctx: Context, filter: readonly string[]): Promise<Pruned> {
  const a = await ask(ctx, '/containers/prune', { filters: filterQuery(filter) });
  return pruned('Deleted Containers:', a.ContainersDeleted, a);
}

export async function pruneNetworks(ctx: Context, filter: readonly string[]): Promise<Pruned> {
  const a = await ask(ctx, '/networks/prune', { filters: filterQuery(filter) });
  return pruned('Deleted Networks:', a.NetworksDeleted, a);
}

/** Without `all` those without a name alone. */
export async function pruneVolumes(ctx: Context, filter: readonly string[], all: boolean): Promise<Pruned> {
  const a = await ask(ctx, '/volumes/prune', { filters: filterQuery(filter, all ? { all: ['true'] } : {}) });
  return pruned('Deleted Volumes:', a.VolumesDeleted, a);
}

/** Without `all` dangling ones alone. */
export async function pruneImages(ctx: Context, filter: readonly string[], all: boolean): Promise<Pruned> {
  const a = await ask(ctx, '/images/prune', { filters: filterQuery(filter, { dangling: [String(!all)] }) });
  const lines = a.ImagesDeleted?.map((d) => (d.Deleted ? `deleted: ${d.Deleted}` : `untagged: ${d.Untagged ?? ''}`));
  return pruned('Deleted Images:', lines, a);
}

export async function pruneBuildCache(ctx: Context, filter: readonly string[], all: boolean): Promise<Pruned> {
  const a = await ask(ctx, '/build/prune', { filters: filterQuery(filter), ...(all ? { all: '1' } : {}) });
  return pruned('Deleted build cache objects:', a.CachesDeleted, a);
}

/** The last line of what a `prune` command prints. */
export function totalLine(...all: readonly Pruned[]): string {
  return `Total reclaimed space: ${humanSize(all.reduce((sum, p) => sum + p.freedBytes, 0))}\n`;
}

function ask(ctx: Context, path: string, query: Readonly<Record<string, string | undefined>>): Promise<Answer> {
  return ctx.api.post<Answer>(path, undefined, query);
}

function pruned(heading: string, lines: readonly string[] | null | undefined, answer: Answer): Pruned {
  const report = lines && lines.length > 0 ? `${heading}\n${lines.join('\n')}\n\n` : '';
  return { report, freedBytes: answer.SpaceReclaimed ?? 0 };
}
