/**
 * Makes everything an OCI runtime needs for one start of a container: the mounted root file system, volumes, injected files,
 * the /etc files and config.json. What it makes is taken down by container-teardown, which bears half-made bundles.
 */

import { chownSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { arch, release } from 'node:os';
import { basename, join } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { DefaultProfile } from '../runtime/apparmor-profile.js';
import { chooseCapabilities } from '../runtime/capabilities.js';
import { cdiEdits } from '../runtime/cdi.js';
import type { CompiledFilters } from '../runtime/compiled-filters.js';
import { deviceRule, givenDevices } from '../runtime/devices.js';
import type { DnsConfig } from '../runtime/etc-files.js';
import { hostNetworkHostsFile, hostsFile, resolvConf } from '../runtime/etc-files.js';
import { findInit, hostDevices, type MachineFacts } from '../runtime/machine-facts.js';
import { checkPropagation, restrictionsOf } from '../runtime/mount-restrictions.js';
import { type MountInfo, readMounts } from '../runtime/mountinfo.js';
import { type NetworkNamespace, ociConfig } from '../runtime/oci-config.js';
import type { LinuxSeccomp, OciMount, OciProcess, OciSpec } from '../runtime/oci-spec.js';
import type { ContainerUserns } from '../runtime/oci-userns.js';
import { refuseAsRunc } from '../runtime/refusals.js';
import { seccompFromProfile } from '../runtime/seccomp-profile-file.js';
import { contextOption, mountLabel } from '../runtime/security-labels.js';
import { tmpfsOptions } from '../runtime/tmpfs-options.js';
import { type ResolvedUser, resolveUser } from '../runtime/user-lookup.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import { mountRootfs, rootfsPaths } from '../snapshots/rootfs.js';
import { readText } from '../snapshots/scoped-file.js';
import { byteString, bytesOf, kindOf, resolveScoped } from '../snapshots/scoped-path.js';
import { makeWorkingDir } from '../snapshots/working-dir.js';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import { copyContent, imageContent } from '../volumes/copy-up.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import type { ContainerConfig, InjectedFile } from './container-config.js';
import { withDnsDefaults } from './container-defaults.js';
import { type LinkedContainer, type LinkedNames, linkHostLines, linkVariables, movedHosts } from './container-links.js';
import type { NetworkOwner, SharedNamespaces } from './container-namespaces.js';
import type { NetworkAttachment } from './container-network.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord, ResolvedMount } from './container-record.js';
import { idsOf } from './container-userns.js';
import { imageMountPath } from './image-mounts.js';
import { withTerminal, withVariables } from './merge-config.js';
import { secretVariables } from './secret-variables.js';

export interface BundleContext {
  readonly helper: HelperApi;
  readonly layers: LayerStore;
  readonly facts: MachineFacts;
  readonly cgroupParent: string;
  readonly initPath: string | undefined;
  /** For containers that do not say. */
  readonly defaultInit: boolean;
  readonly filters: CompiledFilters;
  /** The engine's own DNS setting, for containers that have none. */
  readonly dns: DnsConfig | undefined;
  readonly hostGateway: string | undefined;
  /** The AppArmor profile of containers that name none, where there is AppArmor. */
  readonly defaultProfile: DefaultProfile | undefined;
}

export interface BundleRequest {
  /** Path of the OCI runtime. */
  readonly program: string;
  readonly shared: SharedNamespaces;
  /** Whose network this one shares. */
  readonly networkOf?: NetworkOwner | undefined;
  readonly record: ContainerRecord;
  readonly paths: ContainerPaths;
  /** Host paths of the volumes by name. */
  readonly volumes: ReadonlyMap<string, string>;
  readonly network: NetworkNamespace;
  readonly attachment: NetworkAttachment | undefined;
  readonly userns: ContainerUserns | undefined;
  readonly linked: readonly LinkedContainer[];
  /** Whether what is mounted below a read-only mount can be read-only as well. */
  readonly canReadOnlyDeep: boolean;
}

const INIT_TARGET = '/sbin/docker-init';
/** Room for the injected files beside their content: inodes and rounding to pages. */
const FILES_SLACK_BYTES = 1 << 20;
const ROOT_ONLY = 0o700;

export function cgroupOf(
  context: Pick<BundleContext, 'cgroupParent'>,
  record: Pick<ContainerRecord, 'id' | 'config'>,
): string {
  const { id, config } = record;
  return join(config.cgroupParent ? join('/', config.cgroupParent) : context.cgroupParent, id);
}

/** Mounts the root file system and fills empty volumes; separate, because it does not depend on the network. */
export async function prepareRootfs(
  context: BundleContext,
  { record, paths, volumes }: Pick<BundleRequest, 'record' | 'paths'> & { readonly volumes: VolumeStore },
): Promise<string> {
  const label = mountLabel(record.config, context.facts.labels);
  const rootfs = await mountRootfs(context.helper, context.layers, record.chain, paths.container, label);
  if (record.volumesFilled) return rootfs;
  for (const m of record.mounts) {
    if (m.type !== 'volume' || m.volumeNoCopy) continue;
    const content = imageContent(rootfs, m.target);
    if (content !== undefined) await volumes.fill(m.source, (path) => copyContent(context.helper, content, path));
  }
  return rootfs;
}

/**
 * Writes config.json into the bundle. The root file system is mounted. A few small files: the thread pool would cost more. Returns the
 * configuration without what the engine adds for the runtime at hand.
 */
export function writeBundle(context: BundleContext, request: BundleRequest): OciSpec {
  const { record, paths } = request;
  const rootfs = rootfsPaths(paths.container).target;
  const user = lookUpUser(rootfs, record.user, record.config.groups ?? []);
  if (!makeWorkingDir(rootfs, record.workingDir, ownerOnHost(context.layers.ids, ROOT))) {
    throw new SwarmtsError('invalid-argument', `Cannot mkdir: ${record.workingDir} is not a directory`);
  }
  const etc = writeEtcFiles(context, request);
  const files = (record.config.files ?? []).map((f, i): OciMount => bind(join(paths.files, String(i)), f.path, true));
  const onHost = request.userns || record.mounts.some((m) => m.type !== 'tmpfs') ? readMounts() : [];
  const mounts = [...record.mounts.map((m) => mountOf(m, request, onHost)), ...files];
  const taken = new Set(mounts.map((m) => m.destination));
  const init = wantsInit(context, record) ? [bind(findInit(context.initPath), INIT_TARGET, true)] : [];
  const { privileged = false, cdiDevices = [], deviceRules = [], devices = [] } = record.config;
  const cdi = cdiEdits(cdiDevices);
  const given = givenDevices(devices);
  const shm = request.shared.shm === undefined ? [] : [bind(request.shared.shm, '/dev/shm', false)];
  const capabilities = capabilitiesOf(context, record);
  const { networkOf } = request;
  const { hostname } = networkOf ?? record;
  const all = [...etc, ...shm, ...cdi.mounts].filter((m) => !taken.has(m.destination)).concat(init, mounts);
  const spec = ociConfig({
    config: { ...record.config, ...(networkOf?.domainname ? { domainname: networkOf.domainname } : {}) },
    rootfs,
    args: argsOf(context, record),
    env: [
      ...withVariables(linkVariables(record.config.name, request.linked), envIn(record, hostname)),
      ...cdi.env,
      ...secretVariables(record, paths),
    ],
    cwd: record.workingDir,
    user,
    hostname,
    mounts: request.userns ? all.map((m) => asRestricted(m, onHost)) : all,
    network: request.network,
    cgroupsPath: cgroupOf(context, record),
    capabilities,
    ownOomScoreAdj: context.facts.ownOomScoreAdj,
    mayLowerOomScore: context.facts.mayLowerOomScore,
    swapAccounting: context.facts.support.swap,
    hostDevices: [...(privileged ? hostDevices() : given.devices), ...cdi.devices],
    deviceRules: [...given.rules, ...cdi.rules, ...deviceRules.map(deviceRule)],
    sharedNamespaces: request.shared.namespaces,
    ...seccompOf(record, capabilities),
    hooks: cdi.hooks,
    labels: context.facts.labels,
    userns: request.userns,
  });
  refuseAsRunc(spec, mounts, context.facts.cgroupVersion === 1);
  const config = context.filters.annotate(spec, request.program);
  writeFileSync(join(paths.bundle, 'config.json'), JSON.stringify(config), { mode: 0o600 });
  return spec;
}

/** HOSTNAME is what the kernel says, unless the container sets it otherwise. */
function envIn(record: ContainerRecord, hostname: string): readonly string[] {
  const env = record.env.map((e) => (e === `HOSTNAME=${record.hostname}` ? `HOSTNAME=${hostname}` : e));
  return withTerminal(env, ownVariables(record), record.config.tty ?? false);
}

/** With those that it does not want to have. */
export function ownVariables({ env, config }: ContainerRecord): readonly string[] {
  return [...env, ...config.env];
}

/** The process of a container as its bundle has it; what `exec` starts from. */
export async function bundleProcess(bundle: string): Promise<OciProcess> {
  const text = await readFile(join(bundle, 'config.json'), 'utf8');
  // Written by writeBundle alone.
  return (JSON.parse(text) as { process: OciProcess }).process;
}

/** Whose the files of a container are. */
export interface FileOwnership {
  readonly ids: IdMaps | undefined;
  /** SELinux's, '' for none. */
  readonly label: string;
}

export function ownershipOf(context: BundleContext, config: ContainerConfig): FileOwnership {
  return { ids: idsOf(context.layers.ids, config), label: mountLabel(config, context.facts.labels) };
}

/** Puts the injected files onto a tmpfs of their own. Done once: their contents are not kept anywhere else. */
export async function placeFiles(
  context: BundleContext,
  directory: string,
  files: readonly InjectedFile[],
  { ids, label }: FileOwnership,
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: ROOT_ONLY });
  // What an interrupted attempt mounted.
  await context.helper.unmount(directory);
  const root = ownerOnHost(ids, ROOT);
  const size = files.reduce((sum, f) => sum + f.content.length + 4096, FILES_SLACK_BYTES);
  await context.helper.mount({
    source: 'tmpfs',
    target: directory,
    fstype: 'tmpfs',
    flags: ['nosuid', 'nodev', 'noexec'],
    data: `size=${size},mode=700,uid=${root.uid},gid=${root.gid}${contextOption(label)}`,
  });
  for (const [i, f] of files.entries()) {
    const path = join(directory, String(i));
    await writeFile(path, f.content, { mode: 0o600 });
    const { uid, gid } = ownerOnHost(ids, f);
    await chown(path, uid, gid);
    await chmod(path, f.mode);
  }
}

/** Whether the injected files are still there: a reboot takes them away. */
export async function hasFiles(directory: string, files: readonly InjectedFile[]): Promise<boolean> {
  return stat(join(directory, String(files.length - 1))).then(
    () => true,
    () => false,
  );
}

function seccompOf(record: ContainerRecord, capabilities: readonly string[]): { seccomp?: LinuxSeccomp } {
  const { seccompProfile } = record.config;
  if (!seccompProfile) return {};
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const architecture = arch() === 'x64' ? 'amd64' : arch();
  return { seccomp: seccompFromProfile(seccompProfile, { capabilities, architecture, kernel: [major, minor] }) };
}

function wantsInit(context: BundleContext, record: ContainerRecord): boolean {
  return record.config.init ?? context.defaultInit;
}

function argsOf(context: BundleContext, record: ContainerRecord): string[] {
  const args = [...record.entrypoint, ...record.cmd];
  return wantsInit(context, record) ? [INIT_TARGET, '--', ...args] : args;
}

function capabilitiesOf(context: BundleContext, record: ContainerRecord): string[] {
  const { capAdd, capDrop, privileged } = record.config;
  const wishes = { add: capAdd ?? [], drop: capDrop ?? [], privileged: privileged ?? false };
  return chooseCapabilities(wishes, context.facts.capabilities);
}

/** Resolves "user[:group]" with the files of the mounted root. */
export function lookUpUser(rootfs: string, user: string, groups: readonly string[]): ResolvedUser {
  return resolveUser(user, groups, readInside(rootfs, '/etc/passwd'), readInside(rootfs, '/etc/group'));
}

/** More than any list of users that is meant as one. */
const MAX_USERS_BYTES = 8 << 20;

/** Of a tree that the image, or a process in it, has filled: a pipe or a device there must not be waited for. */
function readInside(rootfs: string, path: string): string {
  const root = byteString(rootfs);
  const absolute = `${root}/${resolveScoped(root, path, { followLast: true })}`;
  try {
    return kindOf(absolute) === 'directory' ? '' : (readText(absolute, path, MAX_USERS_BYTES) ?? '');
  } catch (e) {
    if (errnoOf(e) === 'ENOENT' || errnoOf(e) === 'ENOTDIR') return '';
    throw e;
  }
}

/** What the engine writes for the container's /etc. */
export const ETC_FILES = ['hosts', 'hostname', 'resolv.conf'];

function writeEtcFiles(context: BundleContext, request: BundleRequest): OciMount[] {
  const { record, paths, attachment } = request;
  const { config } = record;
  const { networkOf } = request;
  if (networkOf !== undefined) {
    const { directory } = networkOf;
    return ETC_FILES.map((name) => bind(join(directory, name), `/etc/${name}`, false));
  }
  const shared = request.network.kind === 'host';
  const fqdn = config.domainname ? `${record.hostname}.${config.domainname}` : undefined;
  const own = attachment && {
    address: attachment.address || (attachment.networks?.[0]?.ipv6Address ?? ''),
    gateway: context.hostGateway ?? attachment.gateway,
    names: [...(fqdn ? [fqdn] : []), record.hostname],
  };
  const extra = [...(config.extraHosts ?? []), ...linkHostLines(request.linked)];
  const hosts = shared ? hostNetworkHostsFile(readHostFile('/etc/hosts'), extra) : hostsFile(extra, own);
  const resolv = resolvConfOf(context, record, attachment, shared);
  const contents = { hosts, hostname: `${record.hostname}\n`, 'resolv.conf': resolv };
  const mounts: OciMount[] = [];
  const root = request.userns && ownerOnHost(request.userns.ids, ROOT);
  for (const [name, text] of Object.entries(contents)) {
    const path = join(paths.container, name);
    writeFileSync(path, text, { mode: 0o644 });
    if (root) chownSync(path, root.uid, root.gid);
    mounts.push(bind(path, `/etc/${basename(name)}`, config.readOnlyRootfs ?? false));
  }
  return mounts;
}

function resolvConfOf(
  context: BundleContext,
  { config }: ContainerRecord,
  attachment: NetworkAttachment | undefined,
  shared: boolean,
): string {
  const host = readHostFile('/etc/resolv.conf');
  const dns = withDnsDefaults(config.dns, context.dns);
  const server = attachment?.nameserver;
  if (server === undefined) return resolvConf(host, dns, shared);
  // On networks with names the container asks us, and we ask the servers that it would have asked.
  return resolvConf(host, { search: [], options: [], ...dns, servers: [server] }, shared, ['ndots:0']);
}

/** For a container that runs and has joined its first network with names. In place: the container has the file itself. */
export function moveNameServer(
  context: BundleContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  attachment: NetworkAttachment,
): void {
  writeFileSync(join(paths.container, 'resolv.conf'), resolvConfOf(context, record, attachment, false));
}

/** In place: the container has the file itself. */
export function moveHosts(paths: ContainerPaths, linked: readonly LinkedContainer[], gone?: LinkedNames): void {
  const path = join(paths.container, 'hosts');
  writeFileSync(path, movedHosts(readFileSync(path, 'utf8'), linked, gone));
}

function readHostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function mountOf(m: ResolvedMount, request: BundleRequest, onHost: readonly MountInfo[]): OciMount {
  if (m.type === 'tmpfs') {
    const size = m.tmpfsSizeBytes ? [`size=${m.tmpfsSizeBytes}`] : [];
    const mode = `mode=${(m.tmpfsMode ?? 0o1777).toString(8)}`;
    const given = [...(m.readOnly ? ['ro'] : []), ...size, mode, ...(m.tmpfsOptions ?? [])];
    return { destination: m.target, type: 'tmpfs', source: 'tmpfs', options: tmpfsOptions(given) };
  }
  const source = sourceOf(m, request);
  const path = realPath(source);
  if (m.propagation) checkPropagation(onHost, path, m.propagation);
  const restrictions = restrictionsOf(onHost, path);
  const mount = bind(source, m.target, m.readOnly, m.propagation || undefined);
  // Nothing is mounted below a file, and crun 1.8 takes the option for directories alone.
  const deep = isReadOnlyDeep(m, request) && isDirectory(path);
  const options = (mount.options ?? []).map((o) =>
    o === 'rbind' && m.bindNonRecursive ? 'bind' : o === 'ro' && deep ? 'rro' : o,
  );
  return { ...mount, options: [...new Set([...options, ...restrictions])] };
}

function isReadOnlyDeep(m: ResolvedMount, { canReadOnlyDeep, program }: BundleRequest): boolean {
  if (!m.readOnly || m.bindReadOnlyNonRecursive) return false;
  if (canReadOnlyDeep || !m.bindReadOnlyForceRecursive) return canReadOnlyDeep;
  throw new SwarmtsError('failed-precondition', `rro is not supported by runtime ${JSON.stringify(basename(program))}`);
}

/** From a user namespace no mount of the host can be made less restricted than it is, and leaving out an option would do so. */
function asRestricted(m: OciMount, onHost: readonly MountInfo[]): OciMount {
  if (m.type !== 'bind' || m.source === undefined) return m;
  return { ...m, options: [...new Set([...(m.options ?? []), ...restrictionsOf(onHost, realPath(m.source))])] };
}

/** On the host. */
export function sourceOf(
  m: ResolvedMount,
  { record, paths, volumes }: Pick<BundleRequest, 'record' | 'paths' | 'volumes'>,
): string {
  if (m.type === 'volume') return sourceWithin(volumes.get(m.source) ?? '', m.volumeSubpath);
  return m.type === 'image' ? sourceWithin(imageMountPath(record, paths, m), m.imageSubpath) : m.source;
}

/** Links in a volume or an image lead no further than its root. */
function sourceWithin(path: string, subpath = ''): string {
  if (subpath === '') return path;
  const root = byteString(path);
  const inside = resolveScoped(root, byteString(subpath), { followLast: true });
  if (kindOf(`${root}/${inside}`) === 'missing') {
    const what = `cannot access path ${join(path, subpath)}: no such file or directory`;
    throw new SwarmtsError('invalid-argument', what);
  }
  return bytesOf(`${root}/${inside}`).toString('utf8');
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A source that is not there is the runtime's to complain about. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function bind(source: string, destination: string, readOnly: boolean, propagation = 'rprivate'): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', propagation, ...(readOnly ? ['ro'] : [])] };
}
