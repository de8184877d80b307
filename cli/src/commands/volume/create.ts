/** `swarmts volume create`. */
import { type FlagValues, list, text } from '../../args/flag.js';
import { parseBytes } from '../../args/quantity.js';
import { between, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';
import { parsePair } from '../../service/flag-values.js';

const flags = {
  availability: text('Cluster Volume availability ("active", "pause", "drain")', { initial: 'active' }),
  driver: text('Specify volume driver name', { short: 'd', initial: 'local' }),
  group: text('Cluster Volume group (cluster volumes)'),
  label: list('list', 'Set metadata for a volume', parsePair),
  'limit-bytes': text('Maximum size of the Cluster Volume in bytes'),
  opt: list('map', 'Set driver specific options', parsePair, { short: 'o' }),
  'required-bytes': text('Minimum size of the Cluster Volume in bytes'),
  scope: text('Cluster Volume access scope ("single", "multi")', { initial: 'single' }),
  secret: list('map', 'Cluster Volume secrets', parsePair),
  sharing: text('Cluster Volume access sharing ("none", "readonly", "onewriter", "all")', { initial: 'none' }),
  'topology-preferred': list('list', 'A topology that the Cluster Volume would be preferred in', parseTopology),
  'topology-required': list('list', 'A topology that the Cluster Volume must be accessible from', parseTopology),
  type: text('Cluster Volume access type ("mount", "block")', { initial: 'block' }),
};

/** Any of these asks for a volume of the cluster. */
const CLUSTER_FLAGS = Object.keys(flags).filter((f) => !['driver', 'label', 'opt'].includes(f));

export const command = defineCommand({
  synopsis: '[VOLUME]',
  flags,
  arity: between(0, 1),
  async run(ctx, f, [name], given) {
    const cluster = CLUSTER_FLAGS.some((flag) => given.has(flag));
    const volume = await ctx.api.post<{ readonly Name: string }>('/volumes/create', {
      Name: name ?? '',
      Driver: f.driver,
      DriverOpts: Object.fromEntries(f.opt),
      Labels: Object.fromEntries(f.label),
      ...(cluster ? { ClusterVolumeSpec: clusterSpec(f) } : {}),
    });
    ctx.out.write(`${volume.Name}\n`);
  },
});

function clusterSpec(f: FlagValues<typeof flags>): Record<string, unknown> {
  if (!['mount', 'block'].includes(f.type))
    throw new CommandError(`invalid access type "${f.type}" of a volume: use --type mount or --type block`);
  const bytes = (text: string) => (text === '' ? 0 : parseBytes(text));
  return {
    Group: f.group,
    AccessMode: {
      Scope: f.scope,
      Sharing: f.sharing,
      ...(f.type === 'block' ? { BlockVolume: {} } : { MountVolume: {} }),
    },
    Secrets: f.secret.map(([Key, Secret]) => ({ Key, Secret })),
    AccessibilityRequirements: { Requisite: f['topology-required'], Preferred: f['topology-preferred'] },
    CapacityRange: { RequiredBytes: bytes(f['required-bytes']), LimitBytes: bytes(f['limit-bytes']) },
    Availability: f.availability,
  };
}

/** "zone=a,rack=3" */
function parseTopology(text: string): { readonly Segments: Readonly<Record<string, string>> } {
  const segments = text.split(',').map((pair) => {
    const eq = pair.indexOf('=');
    if (eq <= 0) throw new Error(`invalid topology "${text}": must be KEY=VALUE[,KEY=VALUE...]`);
    return [pair.slice(0, eq), pair.slice(eq + 1)] as const;
  });
  return { Segments: Object.fromEntries(segments) };
}
