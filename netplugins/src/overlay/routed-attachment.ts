/** A container's place on a network: plain data, kept with the container, made of what it was given there. Pure. */
import { createHash } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import type { Network, NetworkAttachment } from '@swarmts/proto';
import { macOf } from '../mac-address.js';
import { familyOf } from './data-path.js';
import { gatewayFor, macvlanOf, mtuOf, subnetsOf } from './network-view.js';
import { LEG_HASH_DIGITS, LEG_PREFIX, type LegSpec, type MacvlanSpec } from './router-spec.js';

export interface RoutedAttachment {
  readonly networkId: string;
  readonly networkName: string;
  /** Id that the managers know the endpoint by. */
  readonly endpointId: string;
  readonly network: Network;
  readonly leg: LegSpec;
  readonly aliases: readonly string[];
}

export interface AttachOptions {
  readonly containerId: string;
  readonly containerNetns: string;
  readonly endpointId: string;
  readonly attachment: NetworkAttachment;
  readonly iface: string;
  readonly mac?: string;
  readonly leavesDefault?: boolean;
  readonly formerDefault?: LegSpec['formerDefault'];
}

/** `mtu` is that of legs where the network says nothing. */
export function attachmentTo(
  network: Network,
  o: AttachOptions,
  router: { readonly netns: string; readonly mtu: number },
): RoutedAttachment {
  const addresses = legAddresses(network, o.attachment.addresses);
  const first = addresses[0]?.address;
  if (first === undefined) throw new SwarmtsError('internal', `no address on network ${network.id}`);
  const ingress = network.spec?.ingress ?? false;
  return {
    networkId: network.id,
    networkName: network.spec?.annotations?.name ?? '',
    endpointId: o.endpointId,
    network,
    aliases: o.attachment.aliases,
    leg: {
      routerNetns: router.netns,
      containerNetns: o.containerNetns,
      leg: LEG_PREFIX + createHash('sha256').update(o.containerId).digest('hex').slice(0, LEG_HASH_DIGITS),
      iface: o.iface,
      mac: o.mac ?? macOf(first),
      mtu: mtuOf(network) ?? router.mtu,
      addresses,
      isDefault: ingress,
      ...(o.leavesDefault ? { leavesDefault: true } : {}),
      ...(ingress && o.formerDefault ? { formerDefault: o.formerDefault } : {}),
    },
  };
}

/** `given`: "10.0.1.5/24". */
function legAddresses(network: Network, given: readonly string[]): LegSpec['addresses'] {
  const subnets = subnetsOf(network);
  return given.map((text) => {
    const [address = '', bits = ''] = text.split('/');
    const mine = subnets.filter((s) => s.family === familyOf(address));
    return {
      address,
      prefixLength: Number(bits),
      gateway: gatewayFor(address, mine),
      subnets: mine.map((s) => s.cidr),
    };
  });
}

/** On a network of the node's own devices; undefined on others. */
export function macvlanSpecOf(a: RoutedAttachment): MacvlanSpec | undefined {
  const macvlan = macvlanOf(a.network);
  if (!macvlan) return undefined;
  const { containerNetns, iface, mac, leavesDefault } = a.leg;
  const addresses = leavesDefault ? a.leg.addresses.map((x) => ({ ...x, gateway: '' })) : a.leg.addresses;
  const mtu = mtuOf(a.network);
  return { ...macvlan, containerNetns, iface, mac, addresses, ...(mtu === undefined ? {} : { mtu }) };
}
