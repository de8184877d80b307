/** `swarmts volume update`: of cluster volumes, the availability. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';

interface Volume {
  readonly Name: string;
  readonly ClusterVolume?: {
    readonly ID: string;
    readonly Version: { readonly Index: number };
    readonly Spec: Readonly<Record<string, unknown>>;
  };
}

export const command = defineCommand({
  synopsis: 'VOLUME',
  flags: { availability: text('Cluster Volume availability ("active", "pause", "drain")') },
  arity: exactly(1),
  completes: 'volume',
  async run(ctx, f, [ref = '']) {
    const { ClusterVolume: volume } = await ctx.api.get<Volume>(`/volumes/${encodeURIComponent(ref)}`);
    if (!volume) throw new CommandError('Can only update cluster volumes');
    if (f.availability !== '') {
      const Spec = { ...volume.Spec, Availability: f.availability };
      const query = { version: volume.Version.Index };
      await ctx.api.json('PUT', `/volumes/${encodeURIComponent(volume.ID)}`, { body: { Spec }, query });
    }
    ctx.out.write(`${ref}\n`);
  },
});
