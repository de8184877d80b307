export type { Context, Output } from './context.js';
export { globalFlags, run, type Terminal } from './run.js';
