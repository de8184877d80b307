export { compare, summarise } from './measure.js';
