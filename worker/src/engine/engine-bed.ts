/**
 * A throw-away machine for the engine's tests: temporary roots, a real helper, a real registry on a loopback port and images
 * made from busybox. `close` leaves nothing behind, neither processes nor mounts nor cgroups.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { freePort } from '@swarmts/lib/testing';
import { pack } from 'tar-stream';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import type { LogEntry, LogOptions } from '../logs/log-api.js';
import type { ContainerConfig } from './container-config.js';
import type { ContainerNetwork } from './container-network.js';
import type { ContainerRecord } from './container-record.js';
import type { ContainerEngine } from './engine-api.js';
import { type EngineOptions, openEngine } from './open-engine.js';

/** The OCI runtime to test with, when it is not the engine's own choice. */
const RUNTIME = process.env.SWARMTS_TEST_RUNTIME;
const BUSYBOX = '/bin/busybox';
const APPLETS = [
  'sh',
  'echo',
  'cat',
  'sleep',
  'true',
  'false',
  'ls',
  'id',
  'env',
  'stat',
  'mount',
  'grep',
  'test',
  'dd',
  'wget',
  'ip',
  'hostname',
  'kill',
  'seq',
  'tail',
  'head',
  'wc',
  'touch',
  'pwd',
  'awk',
  'unshare',
  'chmod',
  'mkdir',
  'mkfifo',
  'stty',
  'mv',
  'ln',
  'rm',
];

export interface TarFile {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'fifo';
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkname?: string;
  readonly mtime?: Date;
  readonly pax?: Readonly<Record<string, string>>;
  readonly devmajor?: number;
  readonly devminor?: number;
}

/** An uncompressed tar archive. */
export async function tarOf(files: readonly TarFile[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = '', ...header } of files) {
    // tar-stream writes whatever header it gets; its types know fewer fields.
    archive.entry(header as never, content);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export async function busyboxLayer(extra: readonly TarFile[] = []): Promise<Buffer> {
  return tarOf([
    ...['bin/', 'etc/', 'proc/', 'sys/', 'dev/', 'tmp/'].map(
      (name): TarFile => ({
        name,
        type: 'directory',
        mode: name === 'tmp/' ? 0o1777 : 0o755,
      }),
    ),
    { name: 'bin/busybox', content: readFileSync(BUSYBOX), mode: 0o755 },
    ...APPLETS.map((a): TarFile => ({ name: `bin/${a}`, type: 'symlink', linkname: 'busybox' })),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n' },
    ...extra,
  ]);
}

export function sha256(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

export interface ImageLayer {
  readonly tar: Buffer;
  /** What is transferred; default: gzip of the tar. */
  readonly blob?: Buffer;
  readonly mediaType?: string;
}

/** A registry process with a few methods to fill it. */
export class TestRegistry {
  readonly address: string;
  readonly #process: ChildProcess;
  readonly #dir: string;

  private constructor(address: string, child: ChildProcess, dir: string) {
    this.address = address;
    this.#process = child;
    this.#dir = dir;
  }

  static async start(extraConfig = ''): Promise<TestRegistry> {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-registry-'));
    const port = await freePort();
    const config = `version: 0.1
storage: {filesystem: {rootdirectory: ${dir}/data}}
http: {addr: 127.0.0.1:${port}}
log: {level: error}
${extraConfig}`;
    writeFileSync(join(dir, 'config.yml'), config);
    const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
    const registry = new TestRegistry(`127.0.0.1:${port}`, child, dir);
    await registry.#ready();
    return registry;
  }

  /** Uploads an image and resolves to its reference, config digest and manifest digest. */
  async push(
    name: string,
    layers: readonly ImageLayer[],
    config: object = {},
    tag = 'latest',
  ): Promise<{ ref: string; id: string; digest: string; layerDigests: string[] }> {
    const descriptors = [];
    for (const layer of layers) {
      const blob = layer.blob ?? gzipSync(layer.tar, { level: 1 });
      await this.pushBlob(name, blob);
      const mediaType = layer.mediaType ?? 'application/vnd.oci.image.layer.v1.tar+gzip';
      descriptors.push({ mediaType, digest: sha256(blob), size: blob.length });
    }
    const image = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        created: '2024-01-02T03:04:05Z',
        config,
        rootfs: { type: 'layers', diff_ids: layers.map((l) => sha256(l.tar)) },
      }),
    );
    await this.pushBlob(name, image);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(image), size: image.length },
        layers: descriptors,
      }),
    );
    await this.pushManifest(name, tag, manifest, 'application/vnd.oci.image.manifest.v1+json');
    const layerDigests = descriptors.map((d) => d.digest);
    return { ref: `${this.address}/${name}:${tag}`, id: sha256(image), digest: sha256(manifest), layerDigests };
  }

  async pushBlob(name: string, blob: Buffer): Promise<void> {
    const start = await this.#send('POST', `/v2/${name}/blobs/uploads/`);
    const location = new URL(start.headers.location ?? '', `http://${this.address}`);
    location.searchParams.set('digest', sha256(blob));
    const done = await this.#send('PUT', location.pathname + location.search, blob, 'application/octet-stream');
    if (done.status !== 201) throw new Error(`blob upload: ${done.status} ${done.body}`);
  }

  async pushManifest(name: string, reference: string, manifest: Buffer, type: string): Promise<void> {
    const done = await this.#send('PUT', `/v2/${name}/manifests/${reference}`, manifest, type);
    if (done.status !== 201) throw new Error(`manifest upload: ${done.status} ${done.body}`);
  }

  /** Path of a blob's bytes inside of the registry. */
  blobPath(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    return join(this.#dir, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#send('GET', '/v2/');
        return;
      } catch (e) {
        if (attempt > 400) throw e;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  #send(method: string, path: string, body?: Buffer, type?: string) {
    const [host, port] = this.address.split(':');
    return new Promise<{ status: number; headers: Record<string, string | undefined>; body: string }>(
      (resolve, reject) => {
        const headers = { ...(type ? { 'content-type': type } : {}), 'content-length': body?.length ?? 0 };
        const r = request({ host, port, method, path, headers, agent: false }, (res) => {
          const chunks: Buffer[] = [];
          res.on('data', (c: Buffer) => chunks.push(c));
          res.on('end', () => {
            const location = res.headers.location;
            resolve({
              status: res.statusCode ?? 0,
              headers: { ...(location ? { location } : {}) },
              body: Buffer.concat(chunks).toString(),
            });
          });
        });
        r.on('error', reject);
        r.end(body);
      },
    );
  }
}

/** A network that gives out documentation addresses and makes nothing; for tests that are not about networking. */
export class RecordingNetwork implements ContainerNetwork {
  readonly attached = new Map<string, string>();
  restored: string[] = [];
  readonly #helper: PrivilegedHelper;

  constructor(helper: PrivilegedHelper) {
    this.#helper = helper;
  }

  async attach(id: string, request: { netnsPath: string; ports: readonly [] | readonly never[] }) {
    await this.#helper.createNetns(request.netnsPath);
    this.attached.set(id, request.netnsPath);
    return {
      address: '192.0.2.7',
      prefixLength: 24,
      gateway: '192.0.2.1',
      mac: '02:42:c0:00:02:07',
      ports: request.ports,
    };
  }

  async detach(id: string): Promise<void> {
    const path = this.attached.get(id);
    this.attached.delete(id);
    if (path) await this.#helper.detachLocal(path);
  }

  async restore(list: readonly { id: string; netnsPath: string }[]): Promise<readonly string[]> {
    this.restored = list.map((a) => a.id);
    for (const a of list) this.attached.set(a.id, a.netnsPath);
    return [];
  }
}

export class EngineBed {
  readonly dir: string;
  readonly helper: PrivilegedHelper;
  readonly network: RecordingNetwork;
  readonly cgroupParent: string;
  engine: ContainerEngine;
  #options: Partial<EngineOptions>;

  private constructor(dir: string, helper: PrivilegedHelper, options: Partial<EngineOptions>) {
    this.dir = dir;
    this.helper = helper;
    this.network = new RecordingNetwork(helper);
    this.cgroupParent = `/swarmts-test-${randomBytes(6).toString('hex')}`;
    this.#options = options;
    // Set by `start` before anybody sees the bed.
    this.engine = undefined as never;
  }

  /** `helper` is closed with the bed. */
  static async start(options: Partial<EngineOptions> = {}, helper?: PrivilegedHelper): Promise<EngineBed> {
    const bed = new EngineBed(mkdtempSync(join(tmpdir(), 'swarmts-engine-')), helper ?? (await startHelper()), options);
    // The root of containers has to get there.
    if (options.idMaps) chmodSync(bed.dir, 0o711);
    await bed.open();
    return bed;
  }

  get dataRoot(): string {
    return join(this.dir, 'data');
  }

  get execRoot(): string {
    return join(this.dir, 'exec');
  }

  async open(options: Partial<EngineOptions> = {}): Promise<ContainerEngine> {
    this.engine = await openEngine({
      dataRoot: this.dataRoot,
      execRoot: this.execRoot,
      helper: this.helper,
      network: this.network,
      cgroupParent: this.cgroupParent,
      dns: { servers: ['192.0.2.53'], search: [], options: [] },
      ...(RUNTIME === undefined ? {} : { runtime: RUNTIME }),
      ...this.#options,
      ...options,
    });
    return this.engine;
  }

  async close(): Promise<void> {
    for (const c of this.engine.list()) await this.engine.remove(c.id, { force: true, volumes: true });
    await this.engine.close();
    await this.helper.close();
    removeCgroups(this.cgroupParent);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A configuration with nothing special. */
export function containerConfig(
  image: string,
  cmd: readonly string[],
  more: Partial<ContainerConfig> = {},
): ContainerConfig {
  return {
    name: `test-${randomBytes(6).toString('hex')}`,
    image,
    labels: {},
    cmd,
    env: [],
    mounts: [],
    networkMode: 'none',
    ports: [],
    resources: { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 },
    stopTimeoutSeconds: 0,
    ...more,
  };
}

/** As one that runs, on the node's own network. */
export function containerRecord(id: string, more: Partial<ContainerRecord>): ContainerRecord {
  return {
    id,
    config: containerConfig('box', [], { networkMode: 'local' }),
    imageId: 'sha256:0',
    chain: [],
    createdAtMs: 1,
    startedAtMs: 2,
    state: 'running',
    startCount: 1,
    entrypoint: [],
    cmd: ['true'],
    env: [],
    user: '',
    workingDir: '/',
    hostname: 'box',
    stopSignal: 'SIGTERM',
    mounts: [],
    volumesFilled: true,
    ...more,
  };
}

export async function collect(entries: AsyncIterable<LogEntry>): Promise<LogEntry[]> {
  const out: LogEntry[] = [];
  for await (const e of entries) out.push(e);
  return out;
}

export const allLogs: LogOptions = { stdout: true, stderr: true, follow: false, tail: -1 };

/** Everything a container has written to stdout so far. */
export async function outputOf(
  engine: ContainerEngine,
  id: string,
  options: Partial<LogOptions> = {},
): Promise<string> {
  const entries = await collect(engine.logs(id, { ...allLogs, stderr: false, ...options }));
  return Buffer.concat(entries.map((e) => e.line)).toString();
}

/** Runs a container to its end: its output and exit code. */
export async function runToEnd(
  engine: ContainerEngine,
  config: ContainerConfig,
): Promise<{ id: string; output: string; code: number }> {
  const id = await engine.create(config);
  await engine.start(id);
  const { exitCode } = await engine.wait(id);
  return { id, output: await outputOf(engine, id), code: exitCode };
}

/** Polls for something that another process brings about. */
export async function eventually(
  check: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function removeCgroups(parent: string): void {
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((n) => join('/sys/fs/cgroup', n))];
  for (const root of roots) removeCgroupTree(join(root, parent));
}

function removeCgroupTree(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroupTree(join(path, entry.name));
  }
  rmdirSync(path);
}

export function makeDirectory(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
