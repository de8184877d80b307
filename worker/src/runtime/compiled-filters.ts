/**
 * The seccomp filters that crun has compiled from profiles, so that it need not do so again for the next container: it takes a compiled
 * one from an annotation (crun(1), `run.oci.seccomp_bpf_data`) and leaves what it has compiled in the container's state directory.
 * Compiling Docker's profile is a tenth of all CPU time of a start.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { LinuxSeccomp, OciSpec } from './oci-spec.js';

const DATA = 'run.oci.seccomp_bpf_data';
/** Whoever sets one of these, also a filter of his own, wants something else than what the profile says. */
const CRUN_SECCOMP = 'run.oci.seccomp';
/** One per profile and set of capabilities; when there are more, the oldest is compiled again. */
const MOST_FILTERS = 64;
/** Of a `struct sock_filter`. */
const INSTRUCTION_BYTES = 8;

/** Of profiles that are used again. */
const digests = new WeakMap<LinuxSeccomp, string>();

export class CompiledFilters {
  readonly #filters = new Map<string, string>();

  /** The configuration with the compiled filter of its profile, where one is known. The profile stays in it. */
  annotate(spec: OciSpec, program: string): OciSpec {
    const filter = this.#filters.get(keyOf(spec, program) ?? '');
    return filter === undefined ? spec : { ...spec, annotations: { ...spec.annotations, [DATA]: filter } };
  }

  /** Takes note of what `program` has compiled for a container that it was given without `annotate`; `state` is its directory. */
  learn(spec: OciSpec, program: string, state: string): void {
    const key = keyOf(spec, program);
    if (key === undefined || this.#filters.has(key)) return;
    const filter = readFilter(join(state, 'seccomp.bpf'));
    if (filter === undefined) return;
    const [oldest] = this.#filters.keys();
    if (oldest !== undefined && this.#filters.size >= MOST_FILTERS) this.#filters.delete(oldest);
    this.#filters.set(key, filter.toString('base64'));
  }
}

/** Undefined where nothing is to be learnt or told. */
function keyOf(spec: OciSpec, program: string): string | undefined {
  const { seccomp } = spec.linux;
  if (!seccomp || basename(program) !== 'crun') return undefined;
  if (Object.keys(spec.annotations ?? {}).some((a) => a.startsWith(CRUN_SECCOMP))) return undefined;
  return `${program} ${digestOf(seccomp)}`;
}

function digestOf(seccomp: LinuxSeccomp): string {
  const digest = digests.get(seccomp) ?? createHash('sha256').update(JSON.stringify(seccomp)).digest('hex');
  digests.set(seccomp, digest);
  return digest;
}

/** Undefined where the runtime left none: another version may do without. */
function readFilter(file: string): Buffer | undefined {
  try {
    const filter = readFileSync(file);
    return filter.length > 0 && filter.length % INSTRUCTION_BYTES === 0 ? filter : undefined;
  } catch {
    return undefined;
  }
}
