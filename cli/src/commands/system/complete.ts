/** The hidden command that the completion scripts call; it never fails, because a shell would show the error. */
import { defineCommand } from '../../command.js';
import { commandTree } from '../../command-tree.js';
import { complete, type NameSource } from '../../completion.js';
import type { Context } from '../../context.js';

interface AnyObject {
  readonly Spec?: { readonly Name?: string };
  readonly Name?: string;
  readonly Names?: readonly string[] | null;
  readonly RepoTags?: readonly string[] | null;
  readonly Description?: { readonly Hostname?: string };
}

const PATHS: Readonly<Record<string, string>> = {
  node: '/nodes',
  service: '/services',
  secret: '/secrets',
  config: '/configs',
  container: '/containers/json?all=1',
  image: '/images/json',
  volume: '/volumes',
  network: '/networks',
};

function namesFrom(ctx: Context): NameSource {
  return async (kind) => {
    try {
      const answer = await ctx.api.get<AnyObject[] | { readonly Volumes?: AnyObject[] | null }>(PATHS[kind] ?? '');
      const objects = Array.isArray(answer) ? answer : (answer.Volumes ?? []);
      return objects.flatMap(
        (o) =>
          o.Names?.map((n) => n.replace(/^\//, '')) ??
          o.RepoTags ?? [o.Description?.Hostname ?? o.Spec?.Name ?? o.Name ?? ''],
      );
    } catch {
      return [];
    }
  };
}

export const command = defineCommand({
  synopsis: '[WORD...]',
  flags: {},
  arity: { min: 0, max: Number.POSITIVE_INFINITY },
  interspersed: false,
  async run(ctx, _flags, words) {
    for (const word of await complete(commandTree, words, namesFrom(ctx))) ctx.out.write(`${word}\n`);
  },
});
