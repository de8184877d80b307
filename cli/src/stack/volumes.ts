/**
 * The cluster volumes of a stack, those with `x-cluster-spec` as in Docker's stack files: what is missing is made, what exists is
 * left as it is. Other volumes are made by the nodes.
 */
import { parseBytes } from '../args/quantity.js';
import { withoutNulls } from '../compose/dictionary.js';
import type { ComposeClusterVolume, ComposeProject } from '../compose/model.js';
import type { Context } from '../context.js';
import { CommandError } from '../exit.js';
import { volumeName } from './mounts.js';
import { NAMESPACE_LABEL } from './names.js';
import { payloadName } from './service-spec.js';

export async function createVolumes(ctx: Context, stack: string, project: ComposeProject): Promise<void> {
  for (const [key, volume] of Object.entries(project.volumes)) {
    const spec = volume?.['x-cluster-spec'];
    if (!spec || volume.external) continue;
    const name = volumeName(key, stack, volume);
    if (await ctx.api.find(`/volumes/${encodeURIComponent(name)}`)) continue;
    if (!volume.driver)
      throw new CommandError(`volume ${key} has x-cluster-spec, and needs the driver of its CSI plugin`);
    ctx.out.write(`Creating volume ${name}\n`);
    await ctx.api.post('/volumes/create', {
      Name: name,
      Driver: volume.driver,
      DriverOpts: withoutNulls(volume.driver_opts),
      Labels: { ...withoutNulls(volume.labels), [NAMESPACE_LABEL]: stack },
      ClusterVolumeSpec: clusterSpec(spec, stack, project),
    });
  }
}

function clusterSpec(s: ComposeClusterVolume, stack: string, project: ComposeProject): Record<string, unknown> {
  const { scope, sharing, mount_volume: mount, block_volume: block } = s.access_mode ?? {};
  const topologies = (list: readonly { readonly segments?: Parameters<typeof withoutNulls>[0] }[] = []) =>
    list.map((t) => ({ Segments: withoutNulls(t.segments) }));
  const bytes = (size: string | number | undefined) => (size === undefined ? 0 : parseBytes(String(size)));
  const secretName = (key: string) => (project.secrets[key] ? payloadName('secrets', key, { stack, project }) : key);
  return {
    Group: s.group ?? '',
    AccessMode: {
      Scope: scope ?? 'single',
      Sharing: sharing ?? 'none',
      ...(block
        ? { BlockVolume: {} }
        : { MountVolume: { FsType: mount?.fs_type ?? '', MountFlags: mount?.mount_flags ?? [] } }),
    },
    AccessibilityRequirements: {
      Requisite: topologies(s.accessibility_requirements?.requisite),
      Preferred: topologies(s.accessibility_requirements?.preferred),
    },
    CapacityRange: {
      RequiredBytes: bytes(s.capacity_range?.required_bytes),
      LimitBytes: bytes(s.capacity_range?.limit_bytes),
    },
    Secrets: (s.secrets ?? []).map(({ key, secret }) => ({ Key: key, Secret: secretName(secret) })),
    Availability: s.availability ?? 'active',
  };
}
