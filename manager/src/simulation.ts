/** The parts of a manager that run in simulations of whole clusters, without log, certificates and sockets. */
export { Allocator } from './allocator/allocator.js';
export { ExternalCas } from './ca/external-ca.js';
export { createNetwork } from './control/network-operations.js';
export { Operations } from './control/operations.js';
export { Dispatcher } from './dispatcher/dispatcher.js';
export type { AgentStream } from './dispatcher/session.js';
export type { LeaderComponent, LeaderContext } from './leader-component.js';
export { ConstraintEnforcer } from './orchestrator/constraint-enforcer.js';
export { CronOrchestrator } from './orchestrator/cron.js';
export { Rebalancer } from './orchestrator/rebalancer.js';
export { replicasOf } from './orchestrator/replicas.js';
export { ServiceOrchestrator } from './orchestrator/service-orchestrator.js';
export { TaskReaper } from './orchestrator/task-reaper.js';
export { SchedulingLoop } from './scheduling/scheduling-loop.js';
export { Store } from './store/store.js';
