/**
 * Builds images from Dockerfiles, step by step as Docker's classic builder does: every instruction gives an image, and a step
 * whose inputs have not changed takes the image that an earlier build has made. What it needs on disk is under one directory
 * that is empty while nothing is built.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import ignore from '@balena/dockerignore';
import { type Logger, newHexId, SwarmtsError } from '@swarmts/lib';
import { familiarString, parseReference } from '@swarmts/proto';
import type { ContainerEngine } from '../engine/engine-api.js';
import type { HelperApi } from '../helper/helper-api.js';
import { tagAll } from '../images/image-creation.js';
import { spool } from '../images/image-import.js';
import { shortId } from '../images/image-puller.js';
import type { ImageService } from '../images/image-service.js';
import { readMounts } from '../runtime/mountinfo.js';
import { runChild } from '../snapshots/child-report.js';
import type { UpperDirectory } from '../snapshots/pack-request.js';
import { removeTree } from '../snapshots/remove-tree.js';
import { readScopedText } from '../snapshots/scoped-file.js';
import { byteString, bytesOf, resolveScoped } from '../snapshots/scoped-path.js';
import type { BuildOptions } from './build-api.js';
import { BUILD_MAIN, type BuildChildRequest } from './build-request.js';
import { type Instruction, parseDockerfile } from './dockerfile.js';
import { checkInstruction } from './instruction-check.js';
import { BUILD_LABEL, KEPT } from './run-step.js';
import { buildStage, type StageResult } from './stage-builder.js';
import { planStages, type StagePlan, withLabels } from './stage-plan.js';

/** What the builder uses of the engine. */
export interface BuilderParts {
  readonly engine: Pick<ContainerEngine, 'create' | 'start' | 'wait' | 'logs' | 'remove'>;
  readonly images: ImageService;
  /** Where a container has its changes. */
  readonly changesOf: (containerId: string) => UpperDirectory;
  /** Scratch space on the file system of the layers. */
  readonly root: string;
}

/** One build while it goes on. */
export interface BuildContext {
  readonly parts: BuilderParts;
  readonly options: BuildOptions;
  readonly plan: StagePlan;
  readonly escapeChar: string;
  readonly scratch: string;
  /** The unpacked build context. */
  readonly files: string;
  readonly say: (text: string) => Promise<void>;
  /** Prints "Step 1/5 : ..." and counts. */
  readonly announce: (i: Instruction) => Promise<void>;
  readonly hold: (names: readonly string[]) => void;
  readonly usedArgs: Set<string>;
  /** Root file systems that COPY --from reads, by image id. */
  readonly mounts: Map<string, string>;
}

const DEFAULT_DOCKERFILE = 'Dockerfile';
/** Of the Dockerfile and of .dockerignore: they are read in one piece. */
const MAX_DOCKERFILE_BYTES = 16 << 20;

/** Takes away the files and mounts that builds that were cut short have left. */
export async function sweepBuilds(root: string, helper: HelperApi): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o711 });
  for (const m of readMounts()) if (m.target.startsWith(`${root}/`)) await helper.unmount(m.target);
  for (const name of await readdir(root)) await removeTree(helper, join(root, name));
}

/** Removes the containers of builds that were cut short. Those of failed steps are kept for whoever wants to look. */
export async function removeLeftContainers(
  engine: Pick<ContainerEngine, 'list' | 'remove'>,
  logger: Logger,
): Promise<void> {
  for (const c of engine.list()) {
    const label = c.config.labels[BUILD_LABEL];
    if (label === undefined) continue;
    const hasDone = c.state === 'exited' && c.exit?.exitCode === 0;
    if (c.state !== 'exited' || (hasDone && label !== KEPT)) {
      await engine
        .remove(c.id, { force: true, volumes: true })
        .catch((error: unknown) => logger.error('a container of a build is left', { container: c.id, error }));
    }
  }
}

export class ImageBuilder {
  readonly #parts: BuilderParts;

  constructor(parts: BuilderParts) {
    this.#parts = parts;
  }

  /** Resolves to the id of the image. */
  async build(options: BuildOptions): Promise<string> {
    const names = options.tags.map((t) => {
      const ref = parseReference(t);
      if (ref.digest)
        throw new SwarmtsError('invalid-argument', 'the image name should not contain a digest reference');
      return ref;
    });
    const scratch = join(this.#parts.root, newHexId().slice(0, 12));
    await mkdir(scratch, { mode: 0o711 });
    const { store } = this.#parts.images;
    try {
      return await store.holding(async (hold) => {
        const id = await this.#stages(options, scratch, hold);
        store.emit('create', id, { name: id });
        await store.change(() => tagAll(store, id, names));
        await options.report({ stream: `Successfully built ${shortId(id)}\n` });
        for (const n of names) await options.report({ stream: `Successfully tagged ${familiarString(n)}\n` });
        return id;
      });
    } finally {
      await removeTree(store.options.helper, scratch);
    }
  }

  async #stages(options: BuildOptions, scratch: string, hold: BuildContext['hold']): Promise<string> {
    const files = await this.#unpackContext(options, scratch);
    const file = parseDockerfile(readDockerfile(files, options.dockerfile));
    for (const i of file.instructions) checkInstruction(i, file.escapeChar);
    const plan = withLabels(planStages(file, options), options.labels);
    await dropIgnored(files, options.dockerfile);
    let step = 0;
    const say = (stream: string) => options.report({ stream });
    const context: BuildContext = {
      parts: this.#parts,
      options,
      plan,
      escapeChar: file.escapeChar,
      scratch,
      files,
      say,
      announce: (i) => say(`Step ${++step}/${plan.stepCount} : ${i.original}\n`),
      hold,
      usedArgs: new Set(plan.metaValues.keys()),
      mounts: new Map(),
    };
    try {
      return await this.#run(context);
    } finally {
      for (const root of context.mounts.values()) await this.#parts.images.store.options.helper.unmount(root);
    }
  }

  async #run(context: BuildContext): Promise<string> {
    const { plan, options, say } = context;
    for (const i of plan.metaArgs) await context.announce(i);
    const done: StageResult[] = [];
    for (const stage of plan.stages) {
      const result = await buildStage(context, stage, done);
      done.push(result);
      // Clients know by the last one what was built.
      if (result.image) await options.report({ aux: { ID: result.image.id } });
    }
    const unused = [...options.buildArgs.keys()].filter((a) => !context.usedArgs.has(a));
    if (unused.length > 0) await say(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    const image = done.at(-1)?.image;
    if (!image) throw new SwarmtsError('invalid-argument', 'No image was generated. Is your Dockerfile empty?');
    return image.id;
  }

  async #unpackContext(options: BuildOptions, scratch: string): Promise<string> {
    const archive = join(scratch, 'context.tar');
    const target = join(scratch, 'context');
    await spool(options.context, archive, options.signal);
    const request: BuildChildRequest = { kind: 'unpack', archive, target };
    const { helper } = this.#parts.images.store.options;
    await runChild(helper, BUILD_MAIN, request, 'cannot read the build context', options.signal);
    await rm(archive);
    return target;
  }
}

function readDockerfile(files: string, wanted: string): string {
  if (posix.normalize(fromRoot(wanted)).split('/')[0] === '..')
    throw new SwarmtsError('invalid-argument', `forbidden path outside the build context: ${wanted}`);
  const names = wanted === DEFAULT_DOCKERFILE ? [wanted, wanted.toLowerCase()] : [wanted];
  for (const name of names) {
    const content = readScopedText(files, name, MAX_DOCKERFILE_BYTES);
    if (content === '') throw new SwarmtsError('invalid-argument', `the Dockerfile (${name}) cannot be empty`);
    if (content !== undefined) return content;
  }
  throw new SwarmtsError('invalid-argument', `Cannot locate specified Dockerfile: ${wanted}`);
}

const fromRoot = (path: string) => path.replace(/^\/+/, '');

/** Clients send these two files even when they are ignored: the builder needs them, the image must not have them. */
async function dropIgnored(files: string, dockerfile: string): Promise<void> {
  const patterns = readScopedText(files, '.dockerignore', MAX_DOCKERFILE_BYTES);
  if (patterns === undefined) return;
  const rules = ignore.default({ ignorecase: false }).add(patterns);
  for (const name of ['.dockerignore', dockerfile]) {
    const root = byteString(files);
    const path = posix.normalize(fromRoot(name));
    if (!rules.ignores(path)) continue;
    const inside = resolveScoped(root, byteString(path));
    if (inside !== '') await rm(bytesOf(`${root}/${inside}`), { force: true });
  }
}
