/** Settings of the cluster that Docker's spec has no field for: they stand in its labels. */
import { parseDurationNs, SwarmtsError } from '@swarmts/lib';
import { type ClusterSpec, clusterLabels, defaults, ORPHAN_AFTER_MS } from '@swarmts/proto';

interface Period {
  readonly label: string;
  readonly defaultMs: number;
  readonly minMs: number;
  /** For users. */
  readonly example: string;
}

/** Nodes need a few rounds of their own to change over to new keys, and old keys live on for a while. */
export const MIN_KEY_PERIOD_MS = 15_000;

/** How long a generation of keys of encrypted networks is used. */
export const keyPeriod: Period = {
  label: clusterLabels.keyPeriod,
  defaultMs: 12 * 3_600_000,
  minMs: MIN_KEY_PERIOD_MS,
  example: '12h',
};

/** How long the tasks of a node that is down are taken for what they were last. */
export const orphanPeriod: Period = {
  label: clusterLabels.orphanAfter,
  defaultMs: ORPHAN_AFTER_MS,
  minMs: defaults.heartbeatPeriodNs / 1e6,
  example: '1h',
};

/** Throws SwarmtsError 'invalid-argument' on a wish that cannot be met. */
export function periodMs(spec: ClusterSpec | undefined, { label, defaultMs, minMs, example }: Period): number {
  const wish = spec?.annotations?.labels[label] ?? '';
  if (wish === '') return defaultMs;
  const wantedMs = parsedMs(wish);
  if (wantedMs >= minMs) return wantedMs;
  throw new SwarmtsError(
    'invalid-argument',
    `label ${label}=${wish} is no period of at least ${minMs / 1_000}s: say for instance ${example}`,
  );
}

function parsedMs(text: string): number {
  try {
    return parseDurationNs(text) / 1e6;
  } catch {
    return Number.NaN;
  }
}
