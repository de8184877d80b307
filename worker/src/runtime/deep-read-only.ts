/**
 * Whether a mount can be made read-only with everything that is mounted below it: the kernel can from Linux 5.12 on (mount_setattr(2)), and
 * OCI runtimes that know the option "rro".
 */
import { release } from 'node:os';
import { messageOf } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

const [KERNEL_MAJOR, KERNEL_MINOR] = [5, 12];
const [CRUN_MAJOR, CRUN_MINOR] = [1, 4];
const OPTION = 'rro';

export class DeepReadOnly {
  readonly #run: HelperApi['run'];
  readonly #kernel: string;
  /** By program. */
  readonly #known = new Map<string, Promise<boolean>>();

  constructor(run: HelperApi['run'], kernel: string = release()) {
    this.#run = run;
    this.#kernel = kernel;
  }

  async isKnownTo(program: string): Promise<boolean> {
    if (!isFrom(this.#kernel, KERNEL_MAJOR, KERNEL_MINOR)) return false;
    const known = this.#known.get(program) ?? this.#ask(program);
    this.#known.set(program, known);
    return known;
  }

  /** Not every release of crun that knows the option can say so. */
  async #ask(program: string): Promise<boolean> {
    const options = mountOptionsOf(await this.#outputOf(program, 'features'));
    if (options) return options.includes(OPTION);
    const version = /^crun version (\S+)/m.exec(await this.#outputOf(program, '--version'))?.[1];
    return version !== undefined && isFrom(version, CRUN_MAJOR, CRUN_MINOR);
  }

  async #outputOf(program: string, verb: string): Promise<string> {
    try {
      const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
      return Buffer.from((await this.#run({ argv: [program, verb], env })).stdout).toString('utf8');
    } catch (e) {
      return messageOf(e);
    }
  }
}

/** Of the answer to `features`; undefined for what is none. */
function mountOptionsOf(text: string): readonly unknown[] | undefined {
  try {
    const features: unknown = JSON.parse(text);
    const isOne = typeof features === 'object' && features !== null && 'mountOptions' in features;
    return isOne && Array.isArray(features.mountOptions) ? features.mountOptions : undefined;
  } catch {
    // A program that does not know the question.
    return undefined;
  }
}

function isFrom(version: string, wantedMajor: number, wantedMinor: number): boolean {
  const [major = 0, minor = 0] = version.split('.').map((n) => Number.parseInt(n, 10));
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
