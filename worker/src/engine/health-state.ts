/** The health of a container as a pure function of its probes, by Docker's rules. */
import type { HealthProbe } from './container-api.js';
import type { HealthConfig } from './container-config.js';

export interface HealthState {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  /** Oldest first. */
  readonly log: readonly HealthProbe[];
}

/** As Docker's: enough to see what happened, never a leak. */
export const MAX_HEALTH_LOG = 5;
export const MAX_PROBE_OUTPUT = 4096;

/** Docker's. */
const DEFAULTS = { intervalNs: 30e9, timeoutNs: 30e9, startIntervalNs: 5e9, retries: 3 };

/** With the defaults for what is not said. */
export function withDefaults(c: HealthConfig): HealthConfig {
  return {
    ...c,
    intervalNs: c.intervalNs || DEFAULTS.intervalNs,
    timeoutNs: c.timeoutNs || DEFAULTS.timeoutNs,
    startIntervalNs: c.startIntervalNs || DEFAULTS.startIntervalNs,
    retries: c.retries || DEFAULTS.retries,
  };
}

export const initialHealth: HealthState = { status: 'starting', failingStreak: 0, log: [] };

/** What is seen of it when its container has stopped: Docker calls one that nobody asks any more unhealthy. */
export function healthAfterExit(last: HealthState = initialHealth): HealthState {
  return { ...last, status: 'unhealthy' };
}

/** Failures of a container that is still starting do not count during its start period. */
export function afterProbe(
  state: HealthState,
  probe: HealthProbe,
  config: HealthConfig,
  startedAtMs: number,
): HealthState {
  const log = [...state.log, probe].slice(-MAX_HEALTH_LOG);
  if (probe.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const excused = state.status === 'starting' && inStartPeriod(config, startedAtMs, probe.startedAtMs);
  const failingStreak = excused ? state.failingStreak : state.failingStreak + 1;
  const status = failingStreak >= config.retries ? 'unhealthy' : state.status;
  return { status, failingStreak, log };
}

/** How long to wait before the next probe. */
export function nextProbeDelayMs(state: HealthState, config: HealthConfig, startedAtMs: number, nowMs: number): number {
  const starting = state.status === 'starting' && inStartPeriod(config, startedAtMs, nowMs);
  return (starting ? Math.min(config.startIntervalNs, config.intervalNs) : config.intervalNs) / 1e6;
}

function inStartPeriod(config: HealthConfig, startedAtMs: number, nowMs: number): boolean {
  return nowMs - startedAtMs < config.startPeriodNs / 1e6;
}

/** The command line of a probe. `shell` is the image's, default /bin/sh -c. */
export function probeCommand(test: readonly string[], shell: readonly string[] | undefined): string[] {
  const [kind, ...rest] = test;
  if (kind === 'CMD') return rest;
  if (kind === 'CMD-SHELL') return [...(shell && shell.length > 0 ? shell : ['/bin/sh', '-c']), ...rest];
  return [...test];
}
