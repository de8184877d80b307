/**
 * A small real CSI plugin for the lab: volumes are folders of one place that all nodes see, as a file server's would be; a
 * node mounts them by bind mounts. Those of type block are files there, with a loop device on the node that they are on. Its controller keeps a record of every attachment and refuses what a storage system
 * would refuse: a volume that is attached elsewhere, deleting one that is attached.
 *
 *   node hostpath-plugin.js SOCKET STORE NODE_ID [ZONE] [MAX_VOLUMES]
 *
 * A file STORE/fail-CALL makes that call fail with the file's text.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import {
  CsiControllerService,
  CsiCreateVolumeResponse,
  CsiEmpty,
  CsiIdentityService,
  CsiNodeService,
  type Method,
} from '@swarmts/proto';

const NAME = 'hostpath.csi.test';
const DISK_BYTES = 1 << 20;
const [, , socket = '', store = '', nodeId = '', zone = '', maxVolumes = '0'] = process.argv;
const run = promisify(execFile);
const EMPTY = CsiEmpty.create({});
const can = (...types: readonly number[]) => ({ capabilities: types.map((type) => ({ rpc: { type } })) });

class Refusal extends Error {
  readonly code: grpc.status;
  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

const attachments = (volumeId: string) => join(store, 'attached', volumeId);
const attachedTo = (volumeId: string) =>
  existsSync(attachments(volumeId)) ? readdirSync(attachments(volumeId)) : ([] as string[]);
const isMounted = (path: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === path);

async function bindMount(source: string, target: string): Promise<void> {
  mkdirSync(target, { recursive: true });
  if (!isMounted(target)) await run('mount', ['--bind', source, target]);
}

async function unmount(target: string): Promise<void> {
  if (isMounted(target)) await run('umount', [target]);
  if (existsSync(target) && !statSync(target).isDirectory()) rmSync(target);
}

const diskOf = (volumeId: string) => join(store, 'volumes', volumeId, 'disk');
/** Where a staged disk has its device written down. */
const deviceFile = (staging: string) => `${staging}.device`;

async function attachDisk(volumeId: string, staging: string): Promise<void> {
  if (existsSync(deviceFile(staging))) return;
  const { stdout } = await run('losetup', ['--find', '--show', diskOf(volumeId)]);
  writeFileSync(deviceFile(staging), stdout.trim());
}

async function detachDisk(staging: string): Promise<void> {
  const device = readFileSync(deviceFile(staging), 'utf8');
  await run('losetup', ['--detach', device]);
  rmSync(deviceFile(staging));
}

async function publishDisk(staging: string, target: string): Promise<void> {
  writeFileSync(target, '');
  if (!isMounted(target)) await run('mount', ['--bind', readFileSync(deviceFile(staging), 'utf8'), target]);
}

const server = new grpc.Server();

function serve<Req, Res>(m: Method<Req, Res>, handler: (request: Req) => Promise<Res> | Res): void {
  const call = m.path.slice(m.path.lastIndexOf('/') + 1);
  const respond = async (request: Req): Promise<Res> => {
    const failure = join(store, `fail-${call}`);
    if (existsSync(failure)) throw new Refusal(grpc.status.INTERNAL, readFileSync(failure, 'utf8').trim());
    return handler(request);
  };
  server.register(
    m.path,
    (c: grpc.ServerUnaryCall<Req, Res>, done: grpc.sendUnaryData<Res>) => {
      respond(c.request).then(
        (answer) => done(null, answer),
        (e: unknown) => {
          const code = e instanceof Refusal ? e.code : grpc.status.INTERNAL;
          done({ code, details: e instanceof Error ? e.message : String(e) });
        },
      );
    },
    m.responseSerialize,
    m.requestDeserialize,
    'unary',
  );
}

serve(CsiIdentityService.getPluginInfo, () => ({ name: NAME, vendorVersion: '1' }));
serve(CsiIdentityService.probe, () => EMPTY);

serve(CsiControllerService.controllerGetCapabilities, () => can(1, 2));
serve(CsiControllerService.createVolume, (r) => {
  const volumeId = `vol-${r.name}`;
  mkdirSync(join(store, 'volumes', volumeId), { recursive: true });
  if (r.volumeCapabilities.some((c) => c.block)) {
    writeFileSync(diskOf(volumeId), '', { flag: 'a' });
    truncateSync(diskOf(volumeId), r.capacityRange?.requiredBytes || DISK_BYTES);
  }
  // What the plugin was given of secrets and options, for the tests to see.
  writeFileSync(join(store, `${volumeId}.json`), JSON.stringify({ parameters: r.parameters, secrets: r.secrets }));
  const capacityBytes = r.capacityRange?.requiredBytes ?? 0;
  const accessibleTopology = r.accessibilityRequirements?.requisite ?? [];
  const volume = { volumeId, capacityBytes, volumeContext: { made: 'by-hostpath' }, accessibleTopology };
  return CsiCreateVolumeResponse.create({ volume });
});
serve(CsiControllerService.deleteVolume, ({ volumeId }) => {
  if (attachedTo(volumeId).length > 0) throw new Refusal(grpc.status.FAILED_PRECONDITION, 'volume is attached');
  rmSync(join(store, 'volumes', volumeId), { recursive: true, force: true });
  return EMPTY;
});
serve(CsiControllerService.controllerPublishVolume, (r) => {
  const { volumeId } = r;
  if (!existsSync(join(store, 'volumes', volumeId))) throw new Refusal(grpc.status.NOT_FOUND, `no volume ${volumeId}`);
  const single = (r.volumeCapability?.accessMode?.mode ?? 0) <= 2;
  const others = attachedTo(volumeId).filter((n) => n !== r.nodeId);
  if (single && others.length > 0)
    throw new Refusal(grpc.status.FAILED_PRECONDITION, `volume is attached to ${others.join(', ')}`);
  mkdirSync(attachments(volumeId), { recursive: true });
  writeFileSync(join(attachments(volumeId), r.nodeId), '');
  return { publishContext: { for: r.nodeId } };
});
serve(CsiControllerService.controllerUnpublishVolume, ({ volumeId, nodeId: from }) => {
  rmSync(join(attachments(volumeId), from), { force: true });
  return EMPTY;
});

serve(CsiNodeService.nodeGetCapabilities, () => can(1));
serve(CsiNodeService.nodeGetInfo, () => ({
  nodeId,
  maxVolumesPerNode: Number(maxVolumes),
  accessibleTopology: zone === '' ? undefined : { segments: { zone } },
}));
serve(CsiNodeService.nodeStageVolume, async (r) => {
  if (r.publishContext.for !== nodeId) throw new Refusal(grpc.status.FAILED_PRECONDITION, 'not published to this node');
  if (r.volumeCapability?.block) await attachDisk(r.volumeId, r.stagingTargetPath);
  else await bindMount(join(store, 'volumes', r.volumeId), r.stagingTargetPath);
  return EMPTY;
});
serve(CsiNodeService.nodePublishVolume, async (r) => {
  if (existsSync(deviceFile(r.stagingTargetPath))) {
    await publishDisk(r.stagingTargetPath, r.targetPath);
    return EMPTY;
  }
  if (!isMounted(r.stagingTargetPath)) throw new Refusal(grpc.status.FAILED_PRECONDITION, 'not staged');
  await bindMount(r.stagingTargetPath, r.targetPath);
  return EMPTY;
});
serve(CsiNodeService.nodeUnpublishVolume, async (r) => {
  await unmount(r.targetPath);
  return EMPTY;
});
serve(CsiNodeService.nodeUnstageVolume, async (r) => {
  if (existsSync(deviceFile(r.stagingTargetPath))) await detachDisk(r.stagingTargetPath);
  await unmount(r.stagingTargetPath);
  return EMPTY;
});

mkdirSync(dirname(socket), { recursive: true });
rmSync(socket, { force: true });
server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (e) => {
  if (!e) return;
  process.stderr.write(`${e.message}\n`);
  process.exit(1);
});
