/** `swarmts service scale`: sets the numbers of replicas, then waits for each service. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Context } from '../../context.js';
import type { Service, ServiceMode } from '../../engine-types.js';
import { CommandError, errorText } from '../../exit.js';
import { waitForConvergence } from '../../service/converge.js';

interface Target {
  readonly name: string;
  readonly replicas: number;
}

function checkSpecifier(arg: string): void {
  if (arg.includes('=')) return;
  throw new CommandError(
    `invalid scale specifier '${arg}'.\nSee 'swarmts service scale --help'.\n\n` +
      'Usage:  swarmts service scale SERVICE=REPLICAS [SERVICE=REPLICAS...]\n\nScale one or multiple replicated services',
  );
}

function parseTarget(arg: string): Target {
  const eq = arg.indexOf('=');
  const [name, count] = [arg.slice(0, eq), arg.slice(eq + 1)];
  if (name === '') throw new CommandError(`${arg}: invalid service name or ID: value is empty`);
  const why = /^\d+$/.test(count) ? 'value out of range' : 'invalid syntax';
  if (why === 'invalid syntax' || !Number.isSafeInteger(Number(count))) {
    throw new CommandError(
      `${name}: invalid replicas value ${count}: strconv.ParseUint: parsing ${JSON.stringify(count)}: ${why}`,
    );
  }
  return { name, replicas: Number(count) };
}

function scaledMode(mode: ServiceMode | undefined, replicas: number): ServiceMode {
  if (mode?.Replicated) return { Replicated: { ...mode.Replicated, Replicas: replicas } };
  if (mode?.ReplicatedJob) return { ReplicatedJob: { ...mode.ReplicatedJob, TotalCompletions: replicas } };
  throw new CommandError('scale can only be used with replicated or replicated-job mode');
}

async function scale(ctx: Context, t: Target): Promise<string> {
  try {
    return await scaleService(ctx, t);
  } catch (e) {
    throw new CommandError(`${t.name}: ${errorText(e)}`);
  }
}

async function scaleService(ctx: Context, t: Target): Promise<string> {
  const service = await ctx.api.get<Service>(`/services/${encodeURIComponent(t.name)}`);
  const answer = await ctx.api.post<{ readonly Warnings?: readonly string[] } | undefined>(
    `/services/${service.ID}/update`,
    { ...service.Spec, Mode: scaledMode(service.Spec.Mode, t.replicas) },
    { version: service.Version?.Index ?? 0 },
  );
  for (const w of answer?.Warnings ?? []) ctx.err.write(`${w}\n`);
  ctx.out.write(`${t.name} scaled to ${t.replicas}\n`);
  return service.ID;
}

export const command = defineCommand({
  synopsis: 'SERVICE=REPLICAS [SERVICE=REPLICAS...]',
  flags: {
    detach: bool('Exit immediately instead of waiting for the service to converge', { short: 'd' }),
  },
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, f, args) {
    args.forEach(checkSpecifier);
    const failures: string[] = [];
    const ids: string[] = [];
    for (const arg of args) {
      try {
        ids.push(await scale(ctx, parseTarget(arg)));
      } catch (e) {
        failures.push(errorText(e));
      }
    }
    if (!f.detach) {
      for (const id of ids) {
        try {
          await waitForConvergence(ctx, id, { quiet: false });
        } catch (e) {
          failures.push(`${id}: ${errorText(e)}`);
        }
      }
    }
    if (failures.length > 0) throw new CommandError(failures.join('\n'));
  },
});
