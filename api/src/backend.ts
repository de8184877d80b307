/**
 * What the HTTP API needs from the daemon. The API validates shapes and converts between Docker's JSON and these types;
 * the backend decides. Every method throws SwarmtsError; its code decides the HTTP status. Methods of `swarm` that change
 * or read cluster state throw 'not-a-manager' on a node that is none.
 */
import type { ContainerBackend } from './container-backend.js';
import type { ImageBackend } from './image-backend.js';
import type { NodeBackend } from './node-backend.js';
import type { SwarmBackend } from './swarm-backend.js';
import type { SystemBackend } from './system-backend.js';

export * from './container-settings.js';
export * from './node-backend.js';
export * from './swarm-backend.js';
export * from './system-backend.js';

export interface Backend {
  readonly system: SystemBackend;
  readonly node: NodeBackend;
  readonly images: ImageBackend;
  readonly containers: ContainerBackend;
  readonly swarm: SwarmBackend;
}
