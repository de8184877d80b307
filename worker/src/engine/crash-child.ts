/**
 * A daemon for the crash tests: opens an engine, does one thing, and kills itself or its helper at one of the calls that it makes to
 * the helper, or itself at one of those with which it changes files (crash-files.ts). Exits with 0 when the thing was done without coming to that call.
 */
import { silentLogger } from '@swarmts/lib';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { arm } from './crash-files.js';
import type { ContainerEngine } from './engine-api.js';
import { containerConfig, RecordingNetwork } from './engine-bed.js';
import { openEngine } from './open-engine.js';

export interface CrashPlan {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly cgroupParent: string;
  readonly image: string;
  readonly operation: keyof typeof OPERATIONS;
  /** The call to the helper at which it happens, from 1; 0 leaves it to `CRASH_FILES_AT`. */
  readonly at: number;
  readonly when: 'before' | 'after';
  readonly victim: 'daemon' | 'helper';
}

export const CRASH_NAME = 'crash';
/** What the container says before anything else. */
export const AT_WORK = 'at work';
/** Of a child whose operation never came to the call. */
export const EXIT_PAST = 3;

const OPERATIONS = {
  start: async (engine: ContainerEngine, image: string) => {
    const volume = { type: 'volume', source: '', target: '/data', readOnly: false } as const;
    const config = { name: CRASH_NAME, networkMode: 'local', mounts: [volume] } as const;
    const id = await engine.create(containerConfig(image, ['sh', '-c', `echo ${AT_WORK}; exec sleep 1000`], config));
    await engine.start(id);
  },
  stop: async (engine: ContainerEngine) => engine.stop(CRASH_NAME, 0),
  restart: async (engine: ContainerEngine) => engine.restart(CRASH_NAME, 0),
  pause: async (engine: ContainerEngine) => engine.pause(CRASH_NAME),
  pull: async (engine: ContainerEngine, image: string) => void (await engine.images.pull(image, {})),
  copy: async (engine: ContainerEngine) => {
    for await (const _ of engine.readArchive(CRASH_NAME, '/data'));
  },
  remove: async (engine: ContainerEngine) => engine.remove(CRASH_NAME, { force: true, volumes: true }),
} as const;

async function main(): Promise<void> {
  // Written by the test.
  const plan = JSON.parse(process.argv[2] ?? '') as CrashPlan;
  const helper = await startHelper();
  const counting = new CountingHelper(helper, plan);
  const { dataRoot, execRoot, cgroupParent } = plan;
  const network = new RecordingNetwork(counting.proxy);
  const logger = silentLogger;
  const runtime = process.env.SWARMTS_TEST_RUNTIME;
  const engine = await openEngine({
    ...{ dataRoot, execRoot, cgroupParent, network, logger, helper: counting.proxy },
    ...(runtime === undefined ? {} : { runtime }),
  });
  counting.armed = true;
  if (plan.at === 0) arm();
  // What fails because the helper has gone is the test's to look at.
  await OPERATIONS[plan.operation](engine, plan.image).catch(() => undefined);
  process.exit(counting.happened ? 0 : EXIT_PAST);
}

class CountingHelper {
  armed = false;
  happened = false;
  readonly proxy: PrivilegedHelper;
  readonly #plan: CrashPlan;
  #calls = 0;

  constructor(helper: PrivilegedHelper, plan: CrashPlan) {
    this.#plan = plan;
    this.proxy = new Proxy(helper, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          const isTheOne = this.armed && ++this.#calls === this.#plan.at;
          if (isTheOne && this.#plan.when === 'before') this.#strike(target.pid);
          const result: unknown = await Reflect.apply(value, target, args);
          if (isTheOne && this.#plan.when === 'after') this.#strike(target.pid);
          return result;
        };
      },
    });
  }

  #strike(helperPid: number): void {
    this.happened = true;
    process.kill(this.#plan.victim === 'daemon' ? process.pid : helperPid, 'SIGKILL');
  }
}

// Imported by the test for its names.
if (process.argv[1]?.endsWith('crash-child.js')) await main();
