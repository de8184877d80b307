/** The child process that does a build's work on files, away from the daemon's event loop. */
import { createReadStream, mkdirSync } from 'node:fs';
import { readRequest, reportFrom } from '../snapshots/child-report.js';
import { decompressed } from '../snapshots/decompress.js';
import { dieWithParent } from '../snapshots/die-with-parent.js';
import { applyLayer } from '../snapshots/layer-applier.js';
import { byteString } from '../snapshots/scoped-path.js';
import { TarReader } from '../snapshots/tar-reader.js';
import { ownerOnHost, ROOT } from '../userns/id-map.js';
import type { BuildChildRequest } from './build-request.js';
import { selectSources } from './context-files.js';
import { copyFiles, makeDirectories } from './copy-files.js';
import { fetchFile } from './fetch-file.js';

const READ_BYTES = 256 << 10;

async function work(r: BuildChildRequest): Promise<unknown> {
  process.umask(0);
  switch (r.kind) {
    case 'unpack': {
      mkdirSync(r.target, 0o700);
      const source = decompressed(createReadStream(r.archive, { highWaterMark: READ_BYTES }));
      return applyLayer(r.target, new TarReader(source), { isLayer: false });
    }
    case 'select':
      return selectSources(byteString(r.root), r.patterns, r.owners);
    case 'copy':
      return copyFiles(r);
    case 'make-directory':
      return makeDirectories(byteString(r.root), byteString(r.path), ownerOnHost(r.ids, ROOT));
    case 'fetch':
      return fetchFile(r.url, r.directory);
  }
}

dieWithParent();
await reportFrom(async () => (await work(await readRequest<BuildChildRequest>())) ?? null);
