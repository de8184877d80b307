/** `secret prune` and `config prune`: removes what no service uses, neither as it is nor as it would be after a rollback. */
import { bool, filters } from '../args/flag.js';
import { type Command, defineCommand, noArguments } from '../command.js';
import { confirmed } from '../confirm.js';
import type { Service, ServiceSpec } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { ApiError } from '../http/client.js';
import { filterQuery } from '../http/filters.js';

interface Named {
  readonly ID: string;
  readonly Spec: { readonly Name?: string };
}

function usedBy(spec: ServiceSpec | undefined): readonly string[] {
  const c = spec?.TaskTemplate?.ContainerSpec;
  return [...(c?.Secrets ?? []).map((s) => s.SecretID), ...(c?.Configs ?? []).map((s) => s.ConfigID)];
}

export function pruneCommand(kind: 'secret' | 'config'): Command {
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
      const [all, services] = await Promise.all([
        ctx.api.get<Named[]>(`/${kind}s`, { filters: filterQuery(f.filter) }),
        ctx.api.get<Service[]>('/services'),
      ]);
      const used = new Set(services.flatMap((s) => [...usedBy(s.Spec), ...usedBy(s.PreviousSpec)]));
      const failures: string[] = [];
      const removed: string[] = [];
      for (const p of all.filter((o) => !used.has(o.ID))) {
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
