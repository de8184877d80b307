export * from './backends.js';
export * from './data-path.js';
export * from './mesh-rules.js';
export * from './network-view.js';
export * from './routed-networks.js';
export * from './router-of-network.js';
export * from './router-plan.js';
export { ROUTER_TABLE, routerDocument } from './router-rules.js';
export * from './router-spec.js';
