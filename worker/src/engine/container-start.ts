/**
 * Brings a container into being up to the point where its process exists and waits to be released: files, volumes, root file
 * system, network, bundle, monitor. What a failure leaves behind is taken down by container-teardown.
 */
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { openLogSink } from '../logs/log-forwarder.js';
import { DEFAULT_PROFILE } from '../runtime/apparmor-profile.js';
import type { DnsConfig } from '../runtime/etc-files.js';
import { DEFAULT_SHM_BYTES, type NetworkNamespace } from '../runtime/oci-config.js';
import type { ContainerUserns } from '../runtime/oci-userns.js';
import { identifyProcess } from '../runtime/process-identity.js';
import { relabelMounts } from '../runtime/relabel-mounts.js';
import { type StartFailure, startFailure } from '../runtime/runtime-errors.js';
import { contextOption, labelFiles, mountLabel, securityLabels } from '../runtime/security-labels.js';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import { ETC_FILES, hasFiles, ownershipOf, placeFiles, prepareRootfs, writeBundle } from './container-bundle.js';
import type { InjectedFile } from './container-config.js';
import type { ContainerContext } from './container-context.js';
import { withDnsDefaults } from './container-defaults.js';
import { type LinkedContainer, linkedPorts } from './container-links.js';
import { type NetworkOwner, sharedNamespaces } from './container-namespaces.js';
import type { AttachRequest, NetworkAttachment } from './container-network.js';
import type { ContainerPaths } from './container-paths.js';
import { type ContainerRecord, type RunningProcess, volumeNames } from './container-record.js';
import { giveStreams, usernsOf } from './container-userns.js';
import { mountImages } from './image-mounts.js';
import { keepBundleInMemory } from './secret-variables.js';

export interface CreatedProcess {
  readonly process: RunningProcess;
  readonly attachment: NetworkAttachment | undefined;
}

/** The OCI runtime refused the container: Docker's message and exit code. */
export class StartError extends SwarmtsError {
  readonly failure: StartFailure;

  constructor(text: string, command: string | undefined, cause: unknown) {
    const failure = startFailure(text, command);
    super(failure.error.code, failure.message, { cause });
    this.failure = failure;
  }
}

/** `files` are the contents of the injected files, undefined when they can only be on their tmpfs already. */
export async function createProcess(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  files: readonly InjectedFile[] | undefined,
): Promise<CreatedProcess> {
  const userns = await makePlaces(context, record, paths, files);
  await checkLogSink(context, record);
  const linked = context.linkedTo(record, true);
  const volumes = await acquireVolumes(context, record);
  await mountImages(context, record, paths);
  const [rootfs, network] = await Promise.allSettled([
    prepareRootfs(context.bundle, { record, paths, volumes: context.volumes }),
    attachNetwork(context, record, paths, linked, userns),
  ]);
  if (rootfs.status === 'rejected') throw rootfs.reason;
  if (network.status === 'rejected') throw network.reason;
  const { namespace, attachment, networkOf } = network.value;
  const shared = {
    ...sharedNamespaces(record, context.peerOf),
    ...(await sharedMemory(context, record, paths)),
  };
  const program = programOf(context, record);
  const request = {
    record,
    paths,
    volumes,
    network: namespace,
    attachment,
    shared,
    networkOf,
    linked,
    program,
    userns,
    canReadOnlyDeep: record.mounts.some((m) => m.readOnly) && (await context.deepReadOnly.isKnownTo(program)),
  };
  const spec = writeBundle(context.bundle, request);
  await confine(context, record, paths, volumes);
  const process = await startMonitor(context, record, paths, program);
  if (userns) {
    giveStreams(process.init.pid, ownerOnHost(userns.ids, spec.process.user));
    // Its processes hold it from here on.
    await context.helper.detachLocal(paths.userns);
  }
  context.bundle.filters.learn(spec, program, context.runtime.stateDirectory(record.id, program));
  return { process, attachment };
}

/** The bundle, the injected files and the place of the log. Resolves to the user namespace that the container will be in. */
async function makePlaces(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  files: readonly InjectedFile[] | undefined,
): Promise<ContainerUserns | undefined> {
  // The bundle directory is the mark of a start: whoever finds it tears down what belongs to it.
  mkdirSync(paths.bundle, { recursive: true, mode: 0o700 });
  if (record.config.secretEnv) await keepBundleInMemory(context.helper, paths.bundle);
  const userns = usernsOf(context, record, paths);
  if (userns) openToRoot(paths.bundle, userns.ids);
  await placeFilesOnce(context, record, paths, files);
  mkdirSync(dirname(paths.log), { recursive: true, mode: 0o700 });
  return userns;
}

/** What lies in the directory can be mounted into a container whose root has this id. */
function openToRoot(directory: string, ids: IdMaps): void {
  chownSync(directory, 0, ownerOnHost(ids, ROOT).gid);
  chmodSync(directory, 0o710);
}

function programOf(context: ContainerContext, { config }: ContainerRecord): string {
  return config.runtime ? (context.runtimes.get(config.runtime) ?? config.runtime) : context.runtime.program;
}

/** Others may join this container's IPC namespace: its shared memory is where they can mount it as well. */
async function sharedMemory(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<{ shm?: string }> {
  if (record.config.ipcMode !== 'shareable') return {};
  mkdirSync(paths.shm, { recursive: true, mode: 0o1777 });
  const size = record.config.shmSizeBytes ?? DEFAULT_SHM_BYTES;
  const { ids, label } = ownershipOf(context.bundle, record.config);
  const { uid, gid } = ownerOnHost(ids, ROOT);
  await context.helper.mount({
    source: 'shm',
    target: paths.shm,
    fstype: 'tmpfs',
    flags: ['nosuid', 'nodev', 'noexec'],
    data: `mode=1777,size=${size},uid=${uid},gid=${gid}${contextOption(label)}`,
  });
  return { shm: paths.shm };
}

async function checkLogSink(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const { log } = record.config;
  if (log?.driver !== 'syslog' && log?.driver !== 'journald') return;
  try {
    const { journalSocket, helper } = context;
    const sink = await openLogSink({ driver: log.driver, options: log.options ?? {}, journalSocket }, helper);
    await sink.sink.close();
  } catch (e) {
    const what = 'failed to create task for container: failed to initialize logging driver';
    throw new SwarmtsError('failed-precondition', `${what}: ${messageOf(e)}`, { cause: e });
  }
}

/** What AppArmor and SELinux need before the process is there. */
async function confine(
  { bundle, helper }: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  volumes: ReadonlyMap<string, string>,
): Promise<void> {
  const { labels } = bundle.facts;
  if (securityLabels(record.config, labels).apparmorProfile === DEFAULT_PROFILE) await bundle.defaultProfile?.ensure();
  const label = mountLabel(record.config, labels);
  if (label === '') return;
  await labelFiles(helper, label, ETC_FILES.map((name) => join(paths.container, name)).filter(existsSync));
  const mounts = record.mounts.filter((m) => m.type === 'bind' || m.type === 'volume');
  const labelled = mounts.map((m) => ({ mode: m.mode, source: volumes.get(m.source) ?? m.source }));
  await relabelMounts(helper, label, labelled);
}

async function startMonitor(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  program: string,
): Promise<RunningProcess> {
  const { id, config } = record;
  let started: { monitorPid: number; pid: number };
  try {
    started = await context.runtime.create(id, paths.bundle, {
      logPath: paths.log,
      tty: config.tty ?? false,
      openStdin: config.openStdin ?? false,
      stdinOnce: config.stdinOnce ?? false,
      program,
    });
  } catch (e) {
    throw new StartError(messageOf(e), [...record.entrypoint, ...record.cmd][0], e);
  }
  const init = identifyProcess(started.pid);
  const monitor = identifyProcess(started.monitorPid);
  if (!init || !monitor) throw new SwarmtsError('internal', 'the container ended before it was started');
  return { init, monitor };
}

async function attachNetwork(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  linked: readonly LinkedContainer[],
  userns: ContainerUserns | undefined,
): Promise<{ namespace: NetworkNamespace; attachment: NetworkAttachment | undefined; networkOf?: NetworkOwner }> {
  const { config, id } = record;
  if (config.networkNamespace) {
    return { namespace: { kind: 'path', path: config.networkNamespace }, attachment: undefined };
  }
  if (config.networkContainer) {
    const peer = context.peerOf(id, config.networkContainer, 'network');
    const path = `/proc/${peer.pid}/ns/net`;
    return { namespace: { kind: 'path', path }, attachment: undefined, networkOf: peer.network };
  }
  if (config.networkMode === 'host') return { namespace: { kind: 'host' }, attachment: undefined };
  if (config.networkMode === 'none') return { namespace: { kind: 'private' }, attachment: undefined };
  mkdirSync(dirname(paths.netns), { recursive: true, mode: 0o700 });
  if (userns?.path) await context.helper.createUserNetns({ ...userns, userns: userns.path, netns: paths.netns });
  const attachment = await context.network.attach(id, attachRequest(record, paths, linked, context.bundle.dns));
  return { namespace: { kind: 'path', path: paths.netns }, attachment };
}

export function attachRequest(
  record: ContainerRecord,
  paths: ContainerPaths,
  linked: readonly LinkedContainer[],
  dns: DnsConfig | undefined,
): AttachRequest {
  const { config } = record;
  return {
    netnsPath: paths.netns,
    ports: config.ports,
    ...(config.networks ? { networks: config.networks } : {}),
    name: config.name,
    hostname: record.hostname,
    dnsServers: withDnsDefaults(config.dns, dns)?.servers ?? [],
    links: linkedPorts(linked),
  };
}

async function placeFilesOnce(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  files: readonly InjectedFile[] | undefined,
): Promise<void> {
  const wanted = record.config.files ?? [];
  if (wanted.length === 0 || (await hasFiles(paths.files, wanted))) return;
  if (!files) {
    const what = 'the files of this container (secrets, configs) are gone since a reboot';
    throw new SwarmtsError('failed-precondition', `${what}; create it anew`);
  }
  await placeFiles(context.bundle, paths.files, files, ownershipOf(context.bundle, record.config));
}

export async function acquireVolumes(context: ContainerContext, record: ContainerRecord): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const name of volumeNames(record)) {
    paths.set(name, await context.volumes.acquire(name, record.id));
  }
  return paths;
}
