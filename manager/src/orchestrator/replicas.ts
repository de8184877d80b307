/** How many tasks a replicated service is to have: what the user says, or what the autoscaler has decided between the user's bounds. */
import { type Autoscale, extensionsOf, type Service, type ServiceSpec } from '@swarmts/proto';

/** The service's autoscale settings; undefined without any. */
export function autoscaleOf(service: Service): Autoscale | undefined {
  if (!service.spec?.mode?.replicated) return undefined;
  return extensionsOf(service.spec.annotations?.labels ?? {}).autoscale;
}

export function replicasOf(service: Service): number {
  const wanted = service.spec?.mode?.replicated?.replicas ?? 0;
  // Zero is off: scaling by itself never brings a service back that was scaled to nothing.
  if (wanted === 0) return 0;
  const autoscale = autoscaleOf(service);
  if (!autoscale) return wanted;
  return clamp(service.autoscaleStatus?.replicas || wanted, autoscale);
}

/** What it has decided, once `spec` is the service's: another number counts from then on. */
export function autoscaleStatusWith(service: Service, spec: ServiceSpec): Service['autoscaleStatus'] {
  const replicasIn = (s: ServiceSpec | undefined) => s?.mode?.replicated?.replicas;
  return replicasIn(spec) === replicasIn(service.spec) ? service.autoscaleStatus : undefined;
}

export function clamp(replicas: number, { min, max }: Pick<Autoscale, 'min' | 'max'>): number {
  return Math.min(max, Math.max(min, replicas));
}
