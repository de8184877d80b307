/** What the manager asks of CSI plugins, answered by those that run on this node. */
import type { VolumePlugins } from '@swarmts/manager';
import type { VolumeSpec } from '@swarmts/proto';
import type { CsiPlugins } from '@swarmts/worker';

export function controllerSide(plugins: CsiPlugins): VolumePlugins {
  const of = (spec: VolumeSpec) => plugins.plugin(spec.driver?.name ?? '');
  return {
    create: async (spec, secrets) => of(spec).create(spec, secrets),
    remove: async (v) => of(v.spec).remove(v),
    publish: async (v, csiNodeId) => of(v.spec).publish(v, csiNodeId),
    unpublish: async (v, csiNodeId) => of(v.spec).unpublish(v, csiNodeId),
  };
}
