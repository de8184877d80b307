/** One CSI plugin behind its unix socket: the calls that the cluster makes of it. Source: the CSI specification, version 1. */
import * as grpc from '@grpc/grpc-js';
import { SwarmtsError } from '@swarmts/lib';
import {
  type CsiCapabilities,
  CsiControllerService,
  CsiEmpty,
  CsiIdentityService,
  CsiNodeService,
  type CsiVolumeCapability,
  type Method,
  type NodeCsiInfo,
  VolumeInfo,
  VolumeScope,
  VolumeSharing,
  type VolumeSpec,
} from '@swarmts/proto';

/** Making or attaching a volume of a storage system takes its time. */
const CALL_TIMEOUT_MS = 120_000;
const PROBE_TIMEOUT_MS = 2_000;

/** Numbers of CSI. */
const CREATE_DELETE_VOLUME = 1;
const PUBLISH_UNPUBLISH_VOLUME = 2;
const STAGE_UNSTAGE_VOLUME = 1;

type Strings = Readonly<Record<string, string>>;

/** A volume that exists, and how the plugin is to treat it. */
export interface CsiVolumeRef {
  readonly spec: VolumeSpec;
  readonly info: VolumeInfo;
  readonly secrets: Strings;
}

export interface NodePaths {
  readonly staging: string;
  readonly target: string;
}

export class CsiPlugin {
  readonly path: string;
  readonly #client: grpc.Client;
  #name = '';
  #controller: ReadonlySet<number> | undefined;
  #stages: boolean | undefined;

  constructor(path: string) {
    this.path = path;
    this.#client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
    });
  }

  close(): void {
    this.#client.close();
  }

  /** As the plugin names itself; '' before the first `probe`. */
  get name(): string {
    return this.#name;
  }

  /** Asks for its name and for what it says of this node; undefined for a plugin without a node side. Throws SwarmtsError. */
  async probe(): Promise<NodeCsiInfo | undefined> {
    const { name } = await this.#call(CsiIdentityService.getPluginInfo, CsiEmpty.create({}), PROBE_TIMEOUT_MS);
    this.#name = name;
    try {
      const info = await this.#call(CsiNodeService.nodeGetInfo, CsiEmpty.create({}), PROBE_TIMEOUT_MS);
      const topology = info.accessibleTopology && { segments: info.accessibleTopology.segments };
      return { plugin: name, nodeId: info.nodeId, maxVolumes: info.maxVolumesPerNode, topology };
    } catch (e) {
      if (e instanceof SwarmtsError && e.code === 'unsupported') return undefined;
      throw e;
    }
  }

  /** A plugin that makes no volumes takes those of the user's, by their names. */
  async create(spec: VolumeSpec, secrets: Strings): Promise<VolumeInfo> {
    const name = spec.annotations?.name ?? '';
    if (!(await this.#controllerCan(CREATE_DELETE_VOLUME))) return VolumeInfo.create({ volumeId: name });
    const requisite = spec.requisiteTopology.map(({ segments }) => ({ segments }));
    const preferred = spec.preferredTopology.map(({ segments }) => ({ segments }));
    const sized = spec.requiredBytes + spec.limitBytes > 0;
    const { volume } = await this.#call(CsiControllerService.createVolume, {
      name,
      capacityRange: sized ? { requiredBytes: spec.requiredBytes, limitBytes: spec.limitBytes } : undefined,
      volumeCapabilities: [capabilityOf(spec)],
      parameters: spec.driver?.options ?? {},
      secrets,
      accessibilityRequirements: requisite.length + preferred.length > 0 ? { requisite, preferred } : undefined,
    });
    if (!volume || volume.volumeId === '')
      throw new SwarmtsError('internal', `CSI plugin ${this.#name} made volume ${name} without saying its id`);
    return VolumeInfo.create({
      capacityBytes: volume.capacityBytes,
      context: volume.volumeContext,
      volumeId: volume.volumeId,
      accessibleTopology: volume.accessibleTopology.map(({ segments }) => ({ segments })),
    });
  }

  async remove({ info, secrets }: CsiVolumeRef): Promise<void> {
    if (!(await this.#controllerCan(CREATE_DELETE_VOLUME))) return;
    await this.#call(CsiControllerService.deleteVolume, { volumeId: info.volumeId, secrets });
  }

  /** Returns the publish context. */
  async publish({ spec, info, secrets }: CsiVolumeRef, nodeId: string): Promise<Strings> {
    if (!(await this.#controllerCan(PUBLISH_UNPUBLISH_VOLUME))) return {};
    const answer = await this.#call(CsiControllerService.controllerPublishVolume, {
      volumeId: info.volumeId,
      nodeId,
      volumeCapability: capabilityOf(spec),
      readonly: false,
      secrets,
      volumeContext: info.context,
    });
    return answer.publishContext;
  }

  async unpublish({ info, secrets }: CsiVolumeRef, nodeId: string): Promise<void> {
    if (!(await this.#controllerCan(PUBLISH_UNPUBLISH_VOLUME))) return;
    await this.#call(CsiControllerService.controllerUnpublishVolume, { volumeId: info.volumeId, nodeId, secrets });
  }

  /** Mounts the volume at `paths.target`, or makes that its device. */
  async mount(v: CsiVolumeRef, publishContext: Strings, paths: NodePaths): Promise<void> {
    const volumeCapability = capabilityOf(v.spec);
    const { volumeId, context: volumeContext } = v.info;
    const { secrets } = v;
    const stages = await this.#stagesVolumes();
    const stagingTargetPath = stages ? paths.staging : '';
    const all = { volumeId, publishContext, stagingTargetPath, volumeCapability, secrets, volumeContext };
    if (stages) await this.#call(CsiNodeService.nodeStageVolume, all);
    await this.#call(CsiNodeService.nodePublishVolume, { ...all, targetPath: paths.target, readonly: false });
  }

  async unmount(volumeId: string, paths: NodePaths): Promise<void> {
    await this.#call(CsiNodeService.nodeUnpublishVolume, { volumeId, targetPath: paths.target });
    if (!(await this.#stagesVolumes())) return;
    await this.#call(CsiNodeService.nodeUnstageVolume, { volumeId, stagingTargetPath: paths.staging });
  }

  async #controllerCan(type: number): Promise<boolean> {
    this.#controller ??= typesOf(await this.#call(CsiControllerService.controllerGetCapabilities, CsiEmpty.create({})));
    return this.#controller.has(type);
  }

  async #stagesVolumes(): Promise<boolean> {
    const capabilities = async () => typesOf(await this.#call(CsiNodeService.nodeGetCapabilities, CsiEmpty.create({})));
    this.#stages ??= (await capabilities()).has(STAGE_UNSTAGE_VOLUME);
    return this.#stages;
  }

  #call<Req, Res>(m: Method<Req, Res>, request: Req, timeoutMs = CALL_TIMEOUT_MS): Promise<Res> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        m.path,
        m.requestSerialize,
        m.responseDeserialize,
        request,
        new grpc.Metadata(),
        { deadline: Date.now() + timeoutMs },
        (e, answer) => {
          if (e) reject(this.#errorOf(e));
          else if (answer === undefined) reject(new SwarmtsError('internal', `empty answer to ${m.path}`));
          else resolve(answer);
        },
      );
    });
  }

  #errorOf(e: grpc.ServiceError): SwarmtsError {
    const code =
      e.code === grpc.status.UNIMPLEMENTED
        ? 'unsupported'
        : e.code === grpc.status.UNAVAILABLE
          ? 'unavailable'
          : e.code === grpc.status.DEADLINE_EXCEEDED
            ? 'timeout'
            : 'internal';
    return new SwarmtsError(code, `CSI plugin ${this.#name || this.path}: ${e.details || e.message}`, { cause: e });
  }
}

function typesOf(c: CsiCapabilities): ReadonlySet<number> {
  return new Set(c.capabilities.flatMap((x) => (x.rpc ? [x.rpc.type] : [])));
}

/** CSI's access modes: 1 and 2 are a writer or readers on one node, 3 to 5 readers, one writer and writers on many. */
function accessModeOf(spec: VolumeSpec): number {
  const { SHARED_READ_ONLY, SHARED_BY_ALL } = VolumeSharing;
  if (spec.scope === VolumeScope.SINGLE_NODE) return spec.sharing === SHARED_READ_ONLY ? 2 : 1;
  if (spec.sharing === SHARED_READ_ONLY) return 3;
  return spec.sharing === SHARED_BY_ALL ? 5 : 4;
}

function capabilityOf(spec: VolumeSpec): CsiVolumeCapability {
  const { block, fsType, mountFlags } = spec;
  const type = block ? { block: {}, mount: undefined } : { block: undefined, mount: { fsType, mountFlags } };
  return { ...type, accessMode: { mode: accessModeOf(spec) } };
}
