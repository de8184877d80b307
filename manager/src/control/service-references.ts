/** What a service's spec names beside it: networks, secrets and configs. They must be there when it is stored, and when it is gone back to. */
import { allocateAddresses, messageOf, SubnetPool, SwarmtsError } from '@swarmts/lib';
import { type Network, type NetworkAttachmentConfig, type ServiceSpec, UpdateOrder } from '@swarmts/proto';
import { isNodeNetwork } from '../allocator/attachments.js';
import type { ReadTx } from '../store/transaction.js';
import { findByNameOrId } from './find.js';
import { nameOfVersion } from './payload-operations.js';

/** The spec with its networks by their ids: names may belong to others later. What it names must exist. */
export function referring(tx: ReadTx, spec: ServiceSpec): ServiceSpec {
  checkReferences(tx, spec);
  const byId = (n: NetworkAttachmentConfig) => {
    const target = isNodeNetwork(n.target) ? n.target : findByNameOrId(tx, 'network', n.target).id;
    return target === n.target ? n : { ...n, target };
  };
  const task = spec.task && { ...spec.task, networks: spec.task.networks.map(byId) };
  return { ...spec, task, networks: spec.networks.map(byId) };
}

/** Secrets, configs and networks that the spec names must exist. */
function checkReferences(tx: ReadTx, spec: ServiceSpec): void {
  const c = spec.task?.container;
  for (const r of c?.secrets ?? []) {
    if (nameOfVersion(tx.get('secret', r.secretId)) !== r.secretName)
      throw new SwarmtsError('invalid-argument', `secret not found: ${r.secretName || r.secretId}`);
  }
  for (const r of c?.configs ?? []) {
    if (nameOfVersion(tx.get('config', r.configId)) !== r.configName)
      throw new SwarmtsError('invalid-argument', `config not found: ${r.configName || r.configId}`);
  }
  for (const n of spec.task?.networks ?? []) {
    if (isNodeNetwork(n.target)) continue;
    const network = findByNameOrId(tx, 'network', n.target);
    if (network.spec?.ingress) {
      throw new SwarmtsError('invalid-argument', 'Service cannot be explicitly attached to the ingress network');
    }
    if (n.addresses.length > 0) checkFixedAddresses(spec, network, n.addresses);
  }
}

/** An address belongs to one task at a time, so a service with one has one task, which stops before its successor starts. */
function checkFixedAddresses(spec: ServiceSpec, network: Network, addresses: readonly string[]): void {
  const name = network.spec?.annotations?.name ?? network.id;
  const [first = ''] = addresses;
  if ((spec.mode?.replicated?.replicas ?? 0) > 1 || !spec.mode?.replicated)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: a fixed address is for a replicated service of one replica`,
    );
  if (spec.update?.order === UpdateOrder.START_FIRST)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: with a fixed address the update order must be stop-first`,
    );
  try {
    const pools = (network.ipam?.configs ?? []).map((c) => SubnetPool.of(c));
    allocateAddresses(pools, 'asked', addresses);
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `network ${name}: ${messageOf(e)}`);
  }
}
