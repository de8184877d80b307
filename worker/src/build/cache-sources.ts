/**
 * Steps of a build that images from elsewhere have gone through (`--cache-from`): an image whose history goes on from here with the same
 * step gives its layer. Which step it was is told by its history alone, as Docker has it; for COPY that contains the hash of the files.
 */
import type { ParsedConfig } from '../images/manifest.js';

type Past = Pick<ParsedConfig, 'history' | 'diffIds'>;

export interface CacheSource extends Past {
  readonly id: string;
}

export interface SourceStep {
  readonly source: CacheSource;
  /** The layer that the step has made; undefined when it made none. */
  readonly layer: { readonly diffId: string; readonly index: number } | undefined;
  /** The image ends with this step. */
  readonly isLast: boolean;
}

const NOTHING: Past = { history: [], diffIds: [] };

/** `base` is the image so far. */
export function stepFromSources(
  sources: readonly CacheSource[],
  base: Past | undefined,
  createdBy: string,
): SourceStep | undefined {
  const { history, diffIds } = base ?? NOTHING;
  const source = sources.find((s) => isBelow(base ?? NOTHING, s) && s.history[history.length]?.createdBy === createdBy);
  const step = source?.history[history.length];
  if (!source || !step) return undefined;
  const index = diffIds.length;
  const diffId = source.diffIds[index];
  if (!step.emptyLayer && diffId === undefined) return undefined;
  const layer = step.emptyLayer || diffId === undefined ? undefined : { diffId, index };
  return { source, layer, isLast: source.history.length === history.length + 1 };
}

function isBelow(base: Past, source: Past): boolean {
  return (
    base.history.every((h, i) => {
      const other = source.history[i];
      return other?.createdBy === h.createdBy && other.emptyLayer === h.emptyLayer;
    }) && base.diffIds.every((d, i) => source.diffIds[i] === d)
  );
}
