/** What every package may use; no domain words live here. */

export * from './address-allocation.js';
export * from './atomic-file.js';
export * from './backoff.js';
export * from './bounded-signal.js';
export * from './channel.js';
export * from './clock.js';
export * from './control-loop.js';
export * from './drained.js';
export * from './errors.js';
export * from './find-program.js';
export * from './fixed-subnets.js';
export * from './framed-duplex.js';
export * from './invariant.js';
export * from './ip-prefix.js';
export * from './keyed-locks.js';
export * from './linked-signal.js';
export * from './log.js';
export * from './random.js';
export * from './random-name.js';
export * from './rfc3339.js';
export * from './serial-lock.js';
export * from './signals.js';
export * from './subnet-pool.js';
export * from './together.js';
export * from './units.js';
export * from './watch-queue.js';
