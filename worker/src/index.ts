/** What a node does: its containers, images, volumes and the privileged helper. */

export {
  familiarName,
  familiarString,
  type ImageReference,
  parseReference,
  repositoryOf,
} from '@swarmts/proto';
export { Agent, type AgentOptions } from './agent/agent.js';
export type { BuildOptions, BuildRecord } from './build/build-api.js';
export { applyChanges } from './build/changes.js';
export { CsiPlugins } from './csi/csi-plugins.js';
export * from './engine/container-api.js';
export * from './engine/container-config.js';
export type { ContainerDefaults } from './engine/container-defaults.js';
export * from './engine/container-network.js';
export * from './engine/engine-api.js';
export { isLocalEndpointId } from './engine/joined-networks.js';
export { LocalContainerNetwork } from './engine/local-container-network.js';
export { type AddressPool, LocalNetworks } from './engine/local-networks.js';
export { distinctPorts, exposedByImage } from './engine/merge-config.js';
export { NetworkUpkeep } from './engine/network-upkeep.js';
export {
  type EndpointSource,
  type NameService,
  NodeContainerNetwork,
  type NodeEndpointSource,
  type ObtainedEndpoint,
} from './engine/node-container-network.js';
export { type EngineOptions, openEngine } from './engine/open-engine.js';
export * from './engine/session-api.js';
export type { HelperApi } from './helper/helper-api.js';
export { type StartHelperOptions, startHelper } from './helper/spawn-helper.js';
export { fetchArchive } from './images/http-request.js';
export type { ImageConfig, ImageInfo, ImageResolution, PullProgress, RegistryAuth } from './images/image-api.js';
export { noSuchImage } from './images/image-store.js';
export { type Platform, parsePlatform } from './images/manifest.js';
export { parseProxy, withoutPassword } from './images/proxy-for.js';
export * from './logs/log-api.js';
export { checkLogOptions } from './logs/log-options.js';
export { PlaceInLog } from './logs/place-in-log.js';
export { CDI_DIRECTORIES, cdiDevices } from './runtime/cdi.js';
export type { RuntimeVersion } from './runtime/known-escapes.js';
export type { LabelSupport } from './runtime/security-labels.js';
export { textOf } from './runtime/text-of.js';
export { type IdMaps, ownerOnHost, ROOT } from './userns/id-map.js';
export { remappedIds } from './userns/remap-user.js';
export { removeAroundMounts } from './volumes/remove-around-mounts.js';
