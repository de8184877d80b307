/** Services, tasks and nodes for tests: complete enough to be listed, changed where a test says so. */
import type { Node, Service, Task } from '../engine-types.js';

export function service(change: Partial<Service> = {}): Service {
  return {
    ID: 'svc1svc1svc1svc1svc1svc1a',
    Version: { Index: 7 },
    Spec: {
      Name: 'web',
      Mode: { Replicated: { Replicas: 3 } },
      TaskTemplate: { ContainerSpec: { Image: 'registry:5000/whoami:latest' } },
    },
    ServiceStatus: { RunningTasks: 2, DesiredTasks: 3 },
    ...change,
  };
}

export function task(slot: number, state: string, change: Partial<Task> = {}): Task {
  return {
    ID: `task${slot}task${slot}task${slot}task${slot}aaaaa`,
    CreatedAt: '2026-03-01T11:57:00Z',
    ServiceID: service().ID,
    Slot: slot,
    NodeID: 'node1',
    DesiredState: 'running',
    Status: { State: state, Timestamp: '2026-03-01T11:57:00Z' },
    Spec: { ContainerSpec: { Image: 'registry:5000/whoami:latest@sha256:abc' } },
    ...change,
  };
}

export function node(id: string, hostname: string, change: Partial<Node> = {}): Node {
  return {
    ID: id,
    Version: { Index: 3 },
    Spec: { Role: 'worker', Availability: 'active', Labels: {} },
    Description: { Hostname: hostname, Engine: { EngineVersion: '0.1.0' } },
    Status: { State: 'ready', Addr: '10.0.0.1' },
    ...change,
  };
}
