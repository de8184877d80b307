/** What the daemon asks of the packing child, and what it gets. */
import { fileURLToPath } from 'node:url';
import type { IdMaps } from '../userns/id-map.js';

export type PackRequest =
  /** The upper directory `source` of an overlay becomes a layer. */
  | ({ readonly kind: 'pack'; readonly target: string } & UpperDirectory)
  /** The maybe compressed archive `source` becomes a plain one; it must be a tar archive. */
  | { readonly kind: 'plain'; readonly source: string; readonly target: string }
  /** `source` becomes a gzip stream. */
  | { readonly kind: 'gzip'; readonly source: string; readonly target: string };

export interface UpperDirectory {
  readonly source: string;
  /** Paths that are no change while they are empty: mount points that the engine made. */
  readonly emptyMounts: readonly string[];
  /** The layers below, topmost first. */
  readonly lower: readonly string[];
  /** Of the namespace whose ids the layer has. */
  readonly ids?: IdMaps | undefined;
}

export interface PackedLayer {
  readonly entries: number;
  readonly sizeBytes: number;
  /** Of the file that was written. */
  readonly digest: string;
  readonly size: number;
}

export const PACK_MAIN = fileURLToPath(new URL('./pack-main.js', import.meta.url));
