/** What the daemon asks of the building child, and what it gets. Paths are the machine's unless they say otherwise. */
import { fileURLToPath } from 'node:url';
import type { IdMaps } from '../userns/id-map.js';

export const BUILD_MAIN = fileURLToPath(new URL('./build-main.js', import.meta.url));

export type BuildChildRequest =
  /** Unpacks the build context. */
  | { readonly kind: 'unpack'; readonly archive: string; readonly target: string }
  /** Finds what the patterns of COPY or ADD mean and what is in it. */
  | { readonly kind: 'select'; readonly root: string; readonly patterns: readonly string[]; readonly owners: boolean }
  | ({ readonly kind: 'copy' } & CopyRequest)
  | { readonly kind: 'make-directory'; readonly root: string; readonly path: string; readonly ids: IdMaps | undefined }
  /** Downloads a file into the directory. */
  | { readonly kind: 'fetch'; readonly url: string; readonly directory: string };

export interface SelectedSource {
  /** Inside of the root that was searched. */
  readonly path: string;
  readonly isDirectory: boolean;
}

export interface Selection {
  readonly sources: readonly SelectedSource[];
  /** Over names, modes and contents, and over owners where they are asked for. */
  readonly hash: string;
}

export interface CopySource extends SelectedSource {
  readonly root: string;
  /** Unpack it when it is an archive. */
  readonly extract: boolean;
  /** Its files belong to whom they did. */
  readonly keepsOwners: boolean;
}

export interface CopyRequest {
  readonly sources: readonly CopySource[];
  /** Of the containers of the image. */
  readonly ids: IdMaps | undefined;
  /** The mounted root file system that is written to. */
  readonly root: string;
  /** Inside of it; a slash at the end means a directory. */
  readonly destination: string;
  /** "user[:group]" with names of that file system, '' for root. */
  readonly owner: string;
  /** Octal digits, '' keeps the modes. */
  readonly mode: string;
}

export interface FetchedFile {
  readonly name: string;
}
