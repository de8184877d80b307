export * from './backend.js';
export type * from './container-backend.js';
export { MAX_API_VERSION, MIN_API_VERSION } from './http/api-version.js';
export type { ListenOptions } from './http/listen.js';
export type { ApiServer } from './http/server.js';
export type { TlsMaterial, TlsSource } from './http/tls-material.js';
export * from './image-backend.js';
export { type ApiServerOptions, createApiServer } from './server.js';
