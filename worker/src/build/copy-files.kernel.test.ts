/** What COPY and ADD do to a root file system, in the child that does it. Needs root for owners. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUILD_MAIN, type BuildChildRequest, type CopySource } from './build-request.js';

const LONGEST_MS = 30_000;

describe('copying files into a root file system', () => {
  let dir: string;
  let root: string;
  let context: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-copy-'));
    [root, context] = [join(dir, 'root'), join(dir, 'context')];
    for (const d of [root, context]) mkdirSync(d);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const source = (path: string, more: Partial<CopySource> = {}): CopySource => ({
    root: context,
    path,
    isDirectory: false,
    extract: false,
    keepsOwners: false,
    ...more,
  });

  function copy(destination: string, ...sources: CopySource[]): void {
    assert.equal(reportOf(destination, sources), '{"ok":true,"value":null}\n');
  }

  function reportOf(destination: string, sources: readonly CopySource[], env = process.env): string {
    const request: BuildChildRequest = {
      kind: 'copy',
      sources,
      ids: undefined,
      root,
      destination,
      owner: '',
      mode: '',
    };
    const input = JSON.stringify(request);
    return execFileSync(process.execPath, [BUILD_MAIN], { input, encoding: 'utf8', timeout: LONGEST_MS, env });
  }

  it('unpacks large archives, whatever has compressed them', () => {
    mkdirSync(join(dir, 'tree'));
    writeFileSync(join(dir, 'tree/file'), randomBytes(3 << 20));
    const tar = execFileSync('tar', ['-C', join(dir, 'tree'), '-cf', '-', 'file'], { maxBuffer: 8 << 20 });
    for (const program of ['cat', 'gzip', 'bzip2', 'xz', 'zstd']) {
      const packed = execFileSync(program, [], { input: tar, maxBuffer: 8 << 20 });
      writeFileSync(join(context, `a.${program}`), packed);
      copy(`/${program}/`, source(`a.${program}`, { extract: true }));
      assert.equal(statSync(join(root, program, 'file')).size, 3 << 20);
    }
  });

  it('copies what is no archive, compressed or not', () => {
    writeFileSync(join(context, 'plain'), 'no archive');
    writeFileSync(join(context, 'text.zst'), execFileSync('zstd', ['-c'], { input: 'no archive' }));
    writeFileSync(join(context, 'broken.zst'), Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff]));
    for (const name of ['plain', 'text.zst', 'broken.zst']) {
      copy('/x/', source(name, { extract: true }));
      assert.deepEqual(readFileSync(join(root, 'x', name)), readFileSync(join(context, name)));
    }
  });

  it('copies no archive that cannot be read here', () => {
    const archive = execFileSync('tar', ['-C', context, '-cf', '-', '.']);
    const pack = (...options: string[]) => execFileSync('zstd', ['-q', '-c', ...options], { input: archive });
    const refused = (name: string, env: NodeJS.ProcessEnv, why: string) => {
      const report = reportOf('/x/', [source(name, { extract: true })], env);
      assert.deepEqual(JSON.parse(report), {
        ok: false,
        code: 'unsupported',
        message: `cannot unpack '${name}': ${why}`,
      });
      assert.equal(existsSync(join(root, 'x')), false);
    };
    writeFileSync(join(context, 'wide.tar.zst'), pack('--ultra', '--long=28'));
    const isWide = 'zstd data with a window of more than 128 MiB: compress it again with --long=27 or less';
    refused('wide.tar.zst', process.env, isWide);
    writeFileSync(join(context, 'a.tar.zst'), pack());
    const prlimit = execFileSync('which', ['prlimit'], { encoding: 'utf8' }).trim();
    mkdirSync(join(dir, 'bin'));
    symlinkSync(prlimit, join(dir, 'bin/prlimit'));
    refused('a.tar.zst', { PATH: join(dir, 'bin') }, 'zstd is needed to read this archive: install zstd');
  });

  it('leaves the destination of an archive as it is, whatever the archive says of its top', () => {
    mkdirSync(join(dir, 'tree'));
    writeFileSync(join(dir, 'tree/file'), 'content');
    chmodSync(join(dir, 'tree'), 0o700);
    execFileSync('tar', ['-C', join(dir, 'tree'), '--owner=7', '-cf', join(context, 'a.tar'), '.']);
    mkdirSync(join(root, 'tmp'));
    chmodSync(join(root, 'tmp'), 0o1777);
    copy('/tmp/', source('a.tar', { extract: true }));
    const { mode, uid } = statSync(join(root, 'tmp'));
    assert.deepEqual([mode & 0o7777, uid], [0o1777, 0]);
    assert.equal(statSync(join(root, 'tmp/file')).uid, 7);
  });

  it('copies files with several names, also those that it has copied before', () => {
    writeFileSync(join(context, 'a'), 'linked');
    linkSync(join(context, 'a'), join(context, 'ab'));
    copy('/x/', source('a'), source('a'), source('ab'));
    const [a, ab] = ['a', 'ab'].map((n) => statSync(join(root, 'x', n)));
    assert.deepEqual([a?.nlink, a?.ino], [2, ab?.ino]);
    assert.equal(readFileSync(join(root, 'x/ab'), 'utf8'), 'linked');
  });

  it('links no file to another that has come in its place', () => {
    for (const d of ['other', 'third']) mkdirSync(join(context, d));
    writeFileSync(join(context, 'a'), 'linked');
    linkSync(join(context, 'a'), join(context, 'third/c'));
    writeFileSync(join(context, 'other/a'), 'other');
    copy('/x/', source('a'), source('other/a'), source('third/c'));
    assert.equal(readFileSync(join(root, 'x/a'), 'utf8'), 'other');
    assert.equal(readFileSync(join(root, 'x/c'), 'utf8'), 'linked');
  });
});
