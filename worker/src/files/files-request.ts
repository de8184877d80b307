/** What the children that touch the files of containers are asked. Both ends are in one release. */
import { fileURLToPath } from 'node:url';
import type { IdMaps } from '../userns/id-map.js';

export interface BindRequest {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** Where the container's "/" is. */
export type RootRequest =
  /** As the processes of a running container see it, with everything that is mounted there. */
  | { readonly kind: 'process'; readonly pid: number }
  /** A mounted directory, without what containers have mounted on it. */
  | { readonly kind: 'directory'; readonly path: string }
  /** A container that does not run: its overlay and volumes are mounted for this child alone. */
  | {
      readonly kind: 'overlay';
      readonly target: string;
      readonly data: string;
      readonly cwd: string;
      /** Made where it is not there yet: a container has it before its first start. */
      readonly workingDir: string;
      readonly binds: readonly BindRequest[];
      /** The container's root, on the machine: of places to mount on that are made. */
      readonly owner: { readonly uid: number; readonly gid: number };
    };

export type FilesRequest = {
  readonly root: RootRequest;
  /** What archives have of the owners of files. */
  readonly ids?: IdMaps | undefined;
} & (
  | { readonly verb: 'stat'; readonly path: string }
  /** Writes a tar archive to stdout. '' exports everything. */
  | { readonly verb: 'pack'; readonly path: string }
  /** Reads a tar archive from stdin. */
  | {
      readonly verb: 'unpack';
      readonly path: string;
      /** A directory is not replaced by something else, nor the other way round. */
      readonly keepKinds: boolean;
      readonly owner?: { readonly uid: number; readonly gid: number };
    }
);

export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** As stat(2) has it. */
  readonly mode: number;
  readonly mtimeMs: number;
  /** Where a symbolic link leads in the end, '' for anything else. */
  readonly linkTarget: string;
}

export const FILES_MAIN = fileURLToPath(new URL('./files-main.js', import.meta.url));
