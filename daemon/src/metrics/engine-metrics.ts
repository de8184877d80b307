/** The node's container engine, by dockerd's names. */
import type { ContainerEngine, EngineEvent } from '@swarmts/worker';
import { Counter, type Registry } from 'prom-client';
import { gauge } from './gauge.js';

export interface EngineFacts {
  readonly id: string;
  readonly version: string;
  readonly architecture: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export function registerEngineMetrics(registry: Registry, engine: ContainerEngine, facts: EngineFacts): void {
  gauge(
    registry,
    'engine_daemon_container_states_containers',
    'The count of containers in various states',
    () => {
      const { running, paused, stopped } = engine.info();
      return Object.entries({ running, paused, stopped }).map(([state, n]) => [{ state }, n]);
    },
    ['state'],
  );
  const labels = {
    version: facts.version,
    commit: '',
    architecture: facts.architecture,
    graphdriver: 'overlay2',
    kernel: facts.kernelVersion,
    os: facts.operatingSystem,
    os_type: 'linux',
    daemon_id: facts.id,
  };
  const about = 'The information related to the engine and the OS it is running on';
  gauge(registry, 'engine_daemon_engine_info', about, () => [[labels, 1]], Object.keys(labels));
  gauge(
    registry,
    'engine_daemon_engine_cpus_cpus',
    'The number of cpus that the host system of the engine has',
    () => facts.cpus,
  );
  gauge(
    registry,
    'engine_daemon_engine_memory_bytes',
    'The number of bytes of memory that the host system of the engine has',
    () => facts.memoryBytes,
  );
  gauge(registry, 'swarmts_engine_images', 'Images of this node', () => engine.info().images);
  countEvents(registry, engine);
}

function countEvents(registry: Registry, engine: ContainerEngine): void {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name: `${name}_total`, help, registers });
  const events = counter('engine_daemon_events', 'The number of events logged');
  const changes = counter('swarmts_container_health_changes', 'The number of changes of the health of containers');
  const unhealthy = counter(
    'swarmts_container_health_failures',
    'The number of times that containers became unhealthy',
  );
  engine.onEvent((e: EngineEvent) => {
    events.inc();
    if (!e.action.startsWith('health_status')) return;
    changes.inc();
    if (e.action.endsWith('unhealthy')) unhealthy.inc();
  });
}
