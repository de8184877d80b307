export * from './cidr.js';
export * from './constraint.js';
export * from './filters.js';
export * from './generic-resources.js';
export * from './node-info.js';
export * from './place.js';
export * from './rank.js';
export * from './spread-tree.js';
