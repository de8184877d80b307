/** Probes one running container until it is stopped; the decisions are in health-state. */
import { type Clock, formatDurationNs, isSwarmtsError, messageOf, sleep } from '@swarmts/lib';
import type { ExecResult, HealthProbe } from './container-api.js';
import type { HealthConfig } from './container-config.js';
import {
  afterProbe,
  type HealthState,
  MAX_PROBE_OUTPUT,
  nextProbeDelayMs,
  probeCommand,
  withDefaults,
} from './health-state.js';

export interface HealthMonitorOptions {
  readonly config: HealthConfig;
  readonly shell: readonly string[] | undefined;
  readonly startedAtMs: number;
  /** Where to go on after a restart of the engine. */
  readonly initial: HealthState;
  readonly clock: Clock;
  readonly run: (argv: readonly string[], timeoutMs: number, signal: AbortSignal) => Promise<ExecResult>;
  /** A paused container is not asked. */
  readonly isPaused: () => boolean;
  readonly onChange: (state: HealthState) => Promise<void>;
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  readonly #abort = new AbortController();
  readonly #loop: Promise<void>;
  #state: HealthState;

  constructor(options: HealthMonitorOptions) {
    this.#options = { ...options, config: withDefaults(options.config) };
    this.#state = options.initial;
    this.#loop = this.#run();
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Ends a probe that is under way; resolves to what was seen until then. */
  async stop(): Promise<HealthState> {
    this.#abort.abort(new Error('health monitor stopped'));
    await this.#loop;
    return this.#state;
  }

  async #run(): Promise<void> {
    const { config, clock, startedAtMs, isPaused, onChange } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await sleep(clock, nextProbeDelayMs(this.#state, config, startedAtMs, clock.now()), signal);
      } catch {
        return;
      }
      if (isPaused()) continue;
      const probe = await this.#probe();
      if (signal.aborted) return;
      const before = this.#state;
      this.#state = afterProbe(before, probe, config, startedAtMs);
      if (this.#state.status !== before.status) await onChange(this.#state);
    }
  }

  async #probe(): Promise<HealthProbe> {
    const { config, clock, shell, run } = this.#options;
    const startedAtMs = clock.now();
    const timeoutMs = config.timeoutNs / 1e6;
    try {
      const result = await run(probeCommand(config.test, shell), timeoutMs, this.#abort.signal);
      const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8', 0, MAX_PROBE_OUTPUT);
      return { startedAtMs, endedAtMs: clock.now(), exitCode: result.code, output };
    } catch (e) {
      const output = isSwarmtsError(e, 'timeout')
        ? `Health check exceeded timeout (${formatDurationNs(config.timeoutNs)})`
        : messageOf(e);
      return { startedAtMs, endedAtMs: clock.now(), exitCode: -1, output };
    }
  }
}
