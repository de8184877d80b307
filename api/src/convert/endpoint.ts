/** Endpoint specs, ports and virtual IPs, both ways. */

import { SwarmtsError } from '@swarmts/lib';
import { type Endpoint, EndpointMode, EndpointSpec, PortConfig, PortProtocol, PublishMode } from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { omitEmpty, wordOf } from '../json/write.js';

const endpointModes: Readonly<Record<string, EndpointMode>> = { vip: EndpointMode.VIP, dnsrr: EndpointMode.DNSRR };
const protocols: Readonly<Record<string, PortProtocol>> = {
  tcp: PortProtocol.TCP,
  udp: PortProtocol.UDP,
  sctp: PortProtocol.SCTP,
};
const publishModes: Readonly<Record<string, PublishMode>> = { ingress: PublishMode.INGRESS, host: PublishMode.HOST };

export function readEndpointSpec(o: JsonObject): EndpointSpec {
  return EndpointSpec.create({
    mode: o.oneOf('Mode', endpointModes, EndpointMode.VIP),
    ports: o.objects('Ports').map(readPort),
  });
}

function readPort(o: JsonObject): PortConfig {
  return PortConfig.create({
    name: o.string('Name'),
    protocol: o.oneOf('Protocol', protocols, PortProtocol.TCP),
    targetPort: portNumber(o, 'TargetPort'),
    publishedPort: portNumber(o, 'PublishedPort'),
    publishMode: o.oneOf('PublishMode', publishModes, PublishMode.INGRESS),
    hostIp: o.string('HostIP'),
  });
}

function portNumber(o: JsonObject, name: string): number {
  const port = o.unsigned(name);
  if (port > 65535) throw new SwarmtsError('invalid-argument', `invalid ${o.path}.${name}: ${port} is above 65535`);
  return port;
}

export function portJson(p: PortConfig): Record<string, unknown> {
  return omitEmpty({
    Name: p.name,
    Protocol: wordOf(protocols, p.protocol),
    TargetPort: p.targetPort,
    PublishedPort: p.publishedPort,
    PublishMode: wordOf(publishModes, p.publishMode),
    HostIP: p.hostIp,
  });
}

export function endpointSpecJson(e: EndpointSpec): Record<string, unknown> {
  return { Mode: wordOf(endpointModes, e.mode), ...omitEmpty({ Ports: e.ports.map(portJson) }) };
}

export function endpointJson(e: Endpoint | undefined): Record<string, unknown> {
  if (e === undefined) return { Spec: {} };
  return {
    Spec: e.spec === undefined ? {} : endpointSpecJson(e.spec),
    ...omitEmpty({
      Ports: e.ports.map(portJson),
      VirtualIPs: e.virtualIps.map((v) => omitEmpty({ NetworkID: v.networkId, Addr: v.addr })),
    }),
  };
}
