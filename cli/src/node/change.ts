/** Changes to nodes: reads the spec, applies a pure change, writes it back under the version that was read. */
import type { Context } from '../context.js';
import type { Info, Node, NodeSpec } from '../engine-types.js';
import { CommandError } from '../exit.js';

/** "self" is the node that answers. */
export async function nodeReference(ctx: Context, ref: string): Promise<string> {
  if (ref !== 'self') return ref;
  const info = await ctx.api.get<Info>('/info');
  const id = info.Swarm?.NodeID;
  if (id) return id;
  // Asking for the nodes gives the daemon's own words for "not part of a swarm".
  await ctx.api.get('/nodes');
  throw new CommandError('node ID not found in /info');
}

export async function getNode(ctx: Context, ref: string): Promise<Node> {
  return await ctx.api.get<Node>(`/nodes/${encodeURIComponent(await nodeReference(ctx, ref))}`);
}

/** False when the change leaves the spec as it is; then nothing is written. */
export async function changeNode(
  ctx: Context,
  ref: string,
  change: (spec: NodeSpec) => NodeSpec | undefined,
): Promise<boolean> {
  const node = await getNode(ctx, ref);
  const spec = change(node.Spec);
  if (spec === undefined) return false;
  await ctx.api.post(`/nodes/${node.ID}/update`, spec, { version: node.Version?.Index ?? 0 });
  return true;
}
