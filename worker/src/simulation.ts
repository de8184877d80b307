/** The part of an agent that simulations of whole clusters use: what a task does next. */
export { nextAction } from './agent/task-machine.js';
