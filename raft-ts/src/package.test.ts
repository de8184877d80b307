// What `npm pack` makes of this package: the files it should have and no others, and a stranger who has only that can
// compile against it and run it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(PACKAGE, '..', 'node_modules');

const CONSUMER = `
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommittedEntry, isRaftError, MemoryNetwork, RaftNode, type RaftNodeOptions } from 'raft-ts';
import type { GrpcTransportOptions } from 'raft-ts/grpc';

export type Transports = Pick<GrpcTransportOptions, 'tls' | 'addressOf'>;
const dir = mkdtempSync(join(tmpdir(), 'raft-consumer-'));
const values: string[] = [];
const options: RaftNodeOptions = {
  id: 1,
  dir,
  bootstrapPeers: [1],
  transport: new MemoryNetwork().transport(1),
  stateMachine: {
    apply(entries: readonly CommittedEntry[]) {
      for (const { data } of entries) values.push(Buffer.from(data).toString());
    },
    snapshot: () => Buffer.from(JSON.stringify(values)),
    restore: () => undefined,
  },
  onFatal: (error) => {
    throw error;
  },
};
const node: RaftNode = await RaftNode.open(options);
node.start();
for (;;) {
  try {
    const { index }: { index: number } = await node.propose(Buffer.from('hello'));
    console.log(values.join(), index > 0);
    break;
  } catch (error) {
    if (!isRaftError(error, 'not-leader')) throw error;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
await node.stop();
rmSync(dir, { recursive: true });
`;

interface PackedFile {
  readonly path: string;
}

describe('the package', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'raft-pack-'));
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  function pack(): { archive: string; files: readonly string[] } {
    const args = ['pack', '--json', '--offline', '--loglevel=silent', '--pack-destination', directory];
    const [packed]: { filename: string; files: PackedFile[] }[] = JSON.parse(
      execFileSync('npm', args, { cwd: PACKAGE }).toString(),
    );
    assert.ok(packed);
    return { archive: join(directory, packed.filename), files: packed.files.map(({ path }) => path) };
  }

  it('holds the code, its types, the example and the manual, and nothing for tests', () => {
    const { files } = pack();
    const wanted = [
      'README.md',
      'LICENSE',
      'package.json',
      'examples/kv/server.mjs',
      'dist/index.js',
      'dist/index.d.ts',
    ];
    wanted.push('dist/transport/index.js', 'dist/transport/index.d.ts', 'dist/sim/index.js', 'dist/sim/index.d.ts');
    wanted.push('dist/storage/sync-thread-worker.js');
    for (const path of wanted) assert.ok(files.includes(path), `${path} is missing`);
    for (const path of files) {
      assert.match(path, /^(package\.json|README\.md|LICENSE|examples\/kv\/[\w-]+\.(mjs|sh)|dist\/.+\.(js|d\.ts))$/);
      assert.doesNotMatch(path, /\.test\.|test-authority|faulty-disk|dist\/process\//);
    }
    for (const path of files.filter((each) => each.endsWith('.js') && each.startsWith('dist/'))) {
      assert.ok(files.includes(path.replace(/\.js$/, '.d.ts')), `${path} has no types`);
    }
  });

  it('can be compiled against and run by who has nothing else', () => {
    const { archive } = pack();
    const installed = join(directory, 'node_modules', 'raft-ts');
    mkdirSync(installed, { recursive: true });
    execFileSync('tar', ['-xzf', archive, '--strip-components=1', '-C', installed]);
    for (const name of ['@types/node', 'undici-types', '@grpc/grpc-js']) {
      const link = join(directory, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(MODULES, name), link);
    }
    writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
    writeFileSync(join(directory, 'main.ts'), CONSUMER);
    const compilerOptions = {
      ...{ target: 'es2023', module: 'nodenext', strict: true, exactOptionalPropertyTypes: true },
      ...{ types: ['node'], skipLibCheck: false, outDir: 'out' },
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
    execFileSync(process.execPath, [join(MODULES, 'typescript', 'bin', 'tsc'), '-p', directory], { stdio: 'pipe' });
    const output = execFileSync(process.execPath, [join(directory, 'out', 'main.js')], { stdio: 'pipe' }).toString();
    assert.equal(output, 'hello true\n');
  });

  it('depends on nothing', () => {
    const manifest: { dependencies?: object; peerDependenciesMeta: Record<string, { optional: boolean }> } = JSON.parse(
      readFileSync(join(PACKAGE, 'package.json')).toString(),
    );
    assert.equal(manifest.dependencies, undefined);
    assert.deepEqual(manifest.peerDependenciesMeta, { '@grpc/grpc-js': { optional: true } });
  });
});
