export * from './codec.js';
export * from './defaults.js';
export * from './gen/index.js';
export * from './limits.js';
export * from './names.js';
export * from './network-encryption.js';
export * from './service-extensions.js';
export * from './task-state.js';
