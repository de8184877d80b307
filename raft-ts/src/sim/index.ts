// For simulations of whatever is built on top: virtual time, disks that forget, randomness that repeats, and the
// simulation of this package itself.
export { CoreGroup, type CoreGroupOptions, type CoreMember, logOfTerms } from './core-group.js';
export { MemoryDisk, type MemoryDiskOptions } from './memory-disk.js';
export { LivenessFailure, type ModelReport, simulateModel } from './model/model-simulation.js';
export { type ModelSettings, settingsOfSeed } from './model/settings.js';
export { type Random, seededRandom } from './random.js';
export { type SimulationOptions, type SimulationReport, simulate } from './simulation.js';
export { VirtualTime } from './virtual-time.js';
