/**
 * Networks that are nothing but a configuration (`--config-only`), and networks that take theirs from one (`--config-from`). Pure. The
 * words are Docker's.
 */
import { SwarmtsError } from '@swarmts/lib';
import { type Network, type NetworkSpec, refuseOwnConfiguration } from '@swarmts/proto';

/** The spec with what it takes from another network. `find`: by id or name. */
export function configured(spec: NetworkSpec, find: (ref: string) => Network | undefined): NetworkSpec {
  if (spec.configOnly) {
    checkConfigOnly(spec);
    return spec;
  }
  if (spec.configFrom === '') return spec;
  refuseOwnConfiguration(spec);
  const source = find(spec.configFrom)?.spec;
  if (!source) throw new SwarmtsError('not-found', `configuration network "${spec.configFrom}" does not exist`);
  if (!source.configOnly) {
    throw new SwarmtsError('permission-denied', `network "${spec.configFrom}" is not a configuration network`);
  }
  return {
    ...spec,
    ipam: source.ipam,
    ipv6Enabled: source.ipv6Enabled,
    ipv4Disabled: source.ipv4Disabled,
    annotations: { name: spec.annotations?.name ?? '', labels: source.annotations?.labels ?? {} },
    driver: { name: spec.driver?.name ?? '', options: source.driver?.options ?? {} },
  };
}

function checkConfigOnly(spec: NetworkSpec): void {
  if (spec.configFrom !== '') {
    throw new SwarmtsError(
      'permission-denied',
      'a configuration network cannot depend on another configuration network',
    );
  }
  if (spec.ingress || spec.internal || spec.attachable) {
    throw new SwarmtsError(
      'permission-denied',
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
}
