/** From the `-add` and `-rm` flags of `service update` to the edits of the spec. */
import type { FlagValues } from '../args/flag.js';
import type { Context } from '../context.js';
import type { Edits } from './edit.js';
import { readEnvironment } from './environment.js';
import type { ListName, updateFlags } from './flags.js';
import { lookUpConfigs, lookUpCredentialSpec, lookUpNetworks, lookUpSecrets } from './lookup.js';

type UpdateValues = FlagValues<typeof updateFlags>;

const LIST_NAMES: readonly ListName[] = [
  'label',
  'container-label',
  'env',
  'group',
  'constraint',
  'placement-pref',
  'mount',
  'publish',
  'network',
  'secret',
  'config',
  'host',
  'dns',
  'dns-option',
  'dns-search',
  'generic-resource',
  'ulimit',
  'sysctl',
];

function removals(of: (name: ListName) => readonly string[]): Edits['remove'] {
  // fromEntries forgets the keys; LIST_NAMES has them all.
  return Object.fromEntries(LIST_NAMES.map((n) => [n, of(n)])) as Record<ListName, readonly string[]>;
}

export const nothingRemoved: Edits['remove'] = removals(() => []);

export async function updateEdits(ctx: Context, f: UpdateValues): Promise<Edits> {
  const remove = removals((n) => f[`${n}-rm`]);
  // Specs hold the ids of networks; people name them.
  const goneNetworks = await lookUpNetworks(
    ctx,
    remove.network.map((Target) => ({ Target })),
  );
  return {
    scalars: f,
    credentialSpec: await lookUpCredentialSpec(ctx, f['credential-spec']),
    add: {
      label: f['label-add'],
      'container-label': f['container-label-add'],
      env: readEnvironment([], f['env-add'], ctx.env),
      group: f['group-add'],
      constraint: f['constraint-add'],
      'placement-pref': f['placement-pref-add'],
      mount: f['mount-add'],
      publish: f['publish-add'],
      host: f['host-add'],
      dns: f['dns-add'],
      'dns-option': f['dns-option-add'],
      'dns-search': f['dns-search-add'],
      'generic-resource': f['generic-resource-add'],
      ulimit: f['ulimit-add'],
      sysctl: f['sysctl-add'],
      network: await lookUpNetworks(ctx, f['network-add']),
      secret: await lookUpSecrets(ctx, f['secret-add']),
      config: await lookUpConfigs(ctx, f['config-add']),
    },
    remove: { ...remove, network: goneNetworks.map((n) => n.Target ?? '') },
  };
}
