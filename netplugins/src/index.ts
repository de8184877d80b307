/** Network drivers of a node. */

export * from './dns/index.js';
export * from './forward/index.js';
export * from './hosts-file.js';
export { gatewayOf } from './local/bridge-subnet.js';
export { hostIfaceOf, isOnLocalNetwork, type LegWish } from './local/local-leg.js';
export * from './local/local-network.js';
export { probeByBinding } from './local/port-probe.js';
export type { PortProbe, PortProtocol, PortRequest, PublishedPort } from './local/ports.js';
export type { LinkedPort } from './local/ruleset.js';
export * from './mac-address.js';
export * from './net-executor.js';
export * from './overlay/index.js';
export * from './resolv-conf.js';
export * from './simple-networks.js';
