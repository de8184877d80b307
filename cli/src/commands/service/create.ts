/** `swarmts service create`: flags end at the image; what follows it are the arguments of the container. */
import { atLeast, defineCommand } from '../../command.js';
import type { ServiceMode, ServiceSpec } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { registryAuth } from '../../http/registry-auth.js';
import { waitForConvergence } from '../../service/converge.js';
import { defined } from '../../service/edit.js';
import { editSpec } from '../../service/edit-spec.js';
import { readEnvironment } from '../../service/environment.js';
import { createFlags } from '../../service/flags.js';
import {
  checkReference,
  lookUpConfigs,
  lookUpCredentialSpec,
  lookUpNetworks,
  lookUpSecrets,
  type ResolvedImage,
  resolveImage,
} from '../../service/lookup.js';
import { nothingRemoved } from '../../service/update-edits.js';

const MODES: Readonly<Record<string, ServiceMode>> = {
  replicated: { Replicated: {} },
  global: { Global: {} },
  'replicated-job': { ReplicatedJob: {} },
  'global-job': { GlobalJob: {} },
};

function startMode(word: string): ServiceMode {
  const mode = Object.hasOwn(MODES, word) ? MODES[word] : undefined;
  if (mode) return mode;
  throw new CommandError(`Unknown mode: ${word}, only replicated, global, replicated-job and global-job are supported`);
}

/** What a new replicated service has unless told otherwise. */
function withDefaults(mode: ServiceMode): ServiceMode {
  if (mode.Replicated) return { Replicated: { Replicas: mode.Replicated.Replicas ?? 1 } };
  const job = mode.ReplicatedJob;
  if (!job) return mode;
  const total = job.TotalCompletions ?? job.MaxConcurrent ?? 1;
  return { ReplicatedJob: { TotalCompletions: total, MaxConcurrent: job.MaxConcurrent ?? total } };
}

function withImage(spec: ServiceSpec, r: ResolvedImage, args: readonly string[]): ServiceSpec {
  const task = spec.TaskTemplate ?? {};
  const platforms = r.platforms.length === 0 ? undefined : r.platforms;
  const placement = defined({ ...task.Placement, Platforms: platforms });
  return {
    ...spec,
    TaskTemplate: {
      ...task,
      ContainerSpec: { Image: r.image, ...task.ContainerSpec, ...(args.length > 0 ? { Args: args } : {}) },
      ...(Object.keys(placement).length > 0 ? { Placement: placement } : {}),
    },
  };
}

export const command = defineCommand({
  synopsis: 'IMAGE [COMMAND] [ARG...]',
  flags: createFlags,
  arity: atLeast(1),
  interspersed: false,
  completes: 'image',
  async run(ctx, f, [image = '', ...args]) {
    checkReference(image);
    const { label, 'container-label': containerLabel, env, group, constraint, mount, publish, host, dns } = f;
    const base: ServiceSpec = { Mode: startMode(f.mode ?? 'replicated'), ...(f.name ? { Name: f.name } : {}) };
    const edited = editSpec(base, {
      scalars: f,
      credentialSpec: await lookUpCredentialSpec(ctx, f['credential-spec']),
      add: {
        label,
        'container-label': containerLabel,
        env: readEnvironment(f['env-file'], env, ctx.env),
        group,
        constraint,
        'placement-pref': f['placement-pref'],
        mount,
        publish,
        host,
        dns,
        'dns-option': f['dns-option'],
        'dns-search': f['dns-search'],
        'generic-resource': f['generic-resource'],
        ulimit: f.ulimit,
        sysctl: f.sysctl,
        network: await lookUpNetworks(ctx, f.network),
        secret: await lookUpSecrets(ctx, f.secret),
        config: await lookUpConfigs(ctx, f.config),
      },
      remove: nothingRemoved,
    });
    const resolved = f['no-resolve-image'] ? { image, platforms: [] } : await resolveImage(ctx, image);
    const spec = withImage({ ...edited, Mode: withDefaults(edited.Mode ?? base.Mode ?? {}) }, resolved, args);
    const auth = f['with-registry-auth'] ? registryAuth(ctx.env, image) : undefined;
    const answer = await ctx.api.json<{ readonly ID: string; readonly Warnings?: readonly string[] | null }>(
      'POST',
      '/services/create',
      { body: spec, ...(auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } }) },
    );
    for (const w of answer.Warnings ?? []) ctx.err.write(`${w}\n`);
    ctx.out.write(`${answer.ID}\n`);
    if (!f.detach) await waitForConvergence(ctx, answer.ID, { quiet: f.quiet });
  },
});
