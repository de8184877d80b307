/**
 * `secret prune` and `config prune`: removes what no service uses, neither as it is nor as it would be after a rollback, and no
 * volume. The newest version takes the earlier ones with it: it stays as long as one of them is used.
 */
import { bool, filters } from '../args/flag.js';
import { type Command, defineCommand, noArguments } from '../command.js';
import { confirmed } from '../confirm.js';
import type { Context } from '../context.js';
import type { Service, ServiceSpec } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';
import type { PayloadKind } from './commands.js';

interface Named {
  readonly ID: string;
  readonly Spec: { readonly Name?: string };
}

interface VolumeList {
  readonly Volumes?:
    | readonly {
        readonly ClusterVolume?: { readonly Spec?: { readonly Secrets?: readonly { readonly Secret: string }[] } };
      }[]
    | null;
}

const EARLIER_VERSION = /@\d+$/;

function usedBy(spec: ServiceSpec | undefined): readonly string[] {
  const c = spec?.TaskTemplate?.ContainerSpec;
  return [...(c?.Secrets ?? []).map((s) => s.SecretID), ...(c?.Configs ?? []).map((s) => s.ConfigID)];
}

async function usedByVolumes(ctx: Context): Promise<readonly string[]> {
  const { Volumes } = await ctx.api.get<VolumeList>('/volumes');
  return (Volumes ?? []).flatMap((v) => (v.ClusterVolume?.Spec?.Secrets ?? []).map((s) => s.Secret));
}

/** Those of `filter` that nothing needs. */
async function unused(ctx: Context, kind: PayloadKind, filter: readonly string[]): Promise<readonly Named[]> {
  const [all, chosen, services, ofVolumes] = await Promise.all([
    ctx.api.get<Named[]>(`/${kind}s`),
    ctx.api.get<Named[]>(`/${kind}s`, { filters: filterQuery(filter) }),
    ctx.api.get<Service[]>('/services'),
    kind === 'secret' ? usedByVolumes(ctx) : [],
  ]);
  const used = new Set([...services.flatMap((s) => [...usedBy(s.Spec), ...usedBy(s.PreviousSpec)]), ...ofVolumes]);
  const usedNames = new Set(all.filter((p) => used.has(p.ID)).map((p) => p.Spec.Name?.replace(EARLIER_VERSION, '')));
  return chosen.filter((p) => !used.has(p.ID) && !usedNames.has(p.Spec.Name));
}

export function pruneCommand(kind: PayloadKind): Command {
  return defineCommand({
    synopsis: '',
    flags: {
      filter: filters('Provide filter values (e.g. "label=<key>=<value>")'),
      force: bool('Do not prompt for confirmation', { short: 'f' }),
    },
    arity: noArguments,
    async run(ctx, f) {
      const warning = `WARNING! This will remove all ${kind}s not used by at least one service.\n`;
      if (!f.force && !(await confirmed(ctx, warning))) return;
      const failures: string[] = [];
      const removed: string[] = [];
      for (const p of await unused(ctx, kind, f.filter)) {
        try {
          await ctx.api.delete(`/${kind}s/${p.ID}`);
          removed.push(p.Spec.Name ?? p.ID);
        } catch (e) {
          // Somebody began to use it meanwhile: it stays.
          if (!(e instanceof ApiError)) throw e;
          // It went with a newer version of its own.
          if (e.status === 404) continue;
          failures.push(e.message);
        }
      }
      if (removed.length > 0)
        ctx.out.write(`Deleted ${kind === 'secret' ? 'Secrets' : 'Configs'}:\n${removed.join('\n')}\n\n`);
      if (failures.length > 0) throw new CommandError(failures.join('\n'));
    },
  });
}
