/** For tests alone. */

export * from './free-port.js';
