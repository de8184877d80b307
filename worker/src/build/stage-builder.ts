/** One stage of a build: its base image, then its instructions one after the other. */
import { createHash } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { parseReference } from '@swarmts/proto';
import { DEFAULT_PATH } from '../engine/merge-config.js';
import type { ImageConfig, PullProgress } from '../images/image-api.js';
import { createImage, type LayerBlob } from '../images/image-creation.js';
import type { StoredImage } from '../images/image-index.js';
import { shortId } from '../images/image-puller.js';
import type { ImageStore } from '../images/image-store.js';
import { parsePlatform } from '../images/manifest.js';
import type { BuildContext } from './builder.js';
import { type CacheSource, stepFromSources } from './cache-sources.js';
import {
  applyConfigInstruction,
  type ConfigState,
  changesConfigOnly,
  DEFAULT_SHELL,
  variablesOf,
} from './config-instructions.js';
import { copyStep, makeWorkingDir } from './copy-step.js';
import { type Instruction, parseInstruction } from './dockerfile.js';
import { runStep } from './run-step.js';
import { declaredArgs, type Stage, stageIndex } from './stage-plan.js';

export interface StageResult {
  /** Undefined for a stage that began with nothing and added nothing. */
  readonly image: StoredImage | undefined;
  readonly config: ImageConfig;
}

/** Known without ARG, and no part of the cache. */
const PREDEFINED_ARGS = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((n) => [
  n,
  n.toLowerCase(),
]);

/** What an instruction adds, and what the cache knows it by. */
export interface StepPlan {
  readonly config: ConfigState;
  readonly createdBy: string;
  /** Inputs beside the image below: command, hashes of files. */
  readonly key: string;
  /** Makes the layer; absent when only the configuration changes. */
  readonly layer?: () => Promise<LayerBlob | undefined>;
}

export class StageBuilder {
  readonly context: BuildContext;
  readonly done: readonly StageResult[];
  readonly #args = new Map<string, string>();
  #image: StoredImage | undefined;
  #state: ConfigState = { config: {}, author: '', cmdSet: false };
  /** The images named with --cache-from that may still give steps. */
  #sources: readonly CacheSource[] | undefined;
  /** After the first step that was not in the cache nothing is looked up any more. */
  #useCache: boolean;

  constructor(context: BuildContext, done: readonly StageResult[]) {
    this.context = context;
    this.done = done;
    this.#useCache = !context.options.noCache;
  }

  get image(): StoredImage | undefined {
    return this.#image;
  }

  get state(): ConfigState {
    return this.#state;
  }

  /** Build arguments that a command sees: declared, and not set by ENV. */
  get argEnv(): string[] {
    const env = variablesOf(this.#state.config);
    return [...this.#args]
      .filter(([name]) => !env.has(name))
      .map(([name, value]) => `${name}=${value}`)
      .sort();
  }

  get predefinedEnv(): string[] {
    const { buildArgs } = this.context.options;
    return PREDEFINED_ARGS.flatMap((name) => {
      const value = this.#args.has(name) ? undefined : buildArgs.get(name);
      if (value !== undefined) this.context.usedArgs.add(name);
      return value === undefined ? [] : [`${name}=${value}`];
    });
  }

  /** ENV wins over ARG. */
  get variables(): Map<string, string> {
    return new Map([...this.#args, ...variablesOf(this.#state.config)]);
  }

  async begin(stage: Stage): Promise<void> {
    const { context } = this;
    await context.announce(stage.from);
    await this.#takeBase(stage);
    const { Env = [], ...rest } = this.#state.config;
    const hasPath = Env.some((e) => e.startsWith('PATH='));
    const config = { ...rest, Env: hasPath ? Env : [`PATH=${DEFAULT_PATH}`, ...Env] };
    const { OnBuild: triggers = [], ...withoutTriggers } = config;
    this.#state = { ...this.#state, config: withoutTriggers };
    if (triggers.length > 0) {
      await context.say(`# Executing ${triggers.length} build trigger${triggers.length === 1 ? '' : 's'}\n`);
    }
    for (const t of triggers) await this.#perform(await this.#planStep(parseInstruction(t)));
    await this.#sayImage();
  }

  async instruction(i: Instruction): Promise<void> {
    const { options } = this.context;
    options.signal?.throwIfAborted();
    await this.#perform(await this.#planStep(i));
    await this.#sayImage();
  }

  async #sayImage(): Promise<void> {
    await this.context.say(` ---> ${this.#image ? shortId(this.#image.id) : ''}\n`);
  }

  result(): StageResult {
    return { image: this.#image, config: this.#state.config };
  }

  async #takeBase(stage: Stage): Promise<void> {
    const { parts, plan } = this.context;
    if (stage.base === 'scratch') return;
    const own = stageIndex(plan.stages, stage.base, this.done.length);
    const earlier = own >= 0 && plan.stages[own]?.name === stage.base.toLowerCase() ? this.done[own] : undefined;
    this.#image = earlier ? earlier.image : await this.imageNamed(stage.base, stage.platform);
    if (!this.#image) return;
    const { config, author } = await parts.images.store.config(this.#image.id);
    this.#state = { config, author, cmdSet: false };
  }

  /** A base image, pulled when it is not here. */
  async imageNamed(name: string, platform: string): Promise<StoredImage> {
    const { parts, options } = this.context;
    const { store } = parts.images;
    const known = store.resolve(name);
    const wanted = platform === '' ? options.platform : parsePlatform(platform);
    const fits = known !== undefined && (!wanted || (await store.config(known)).architecture === wanted.architecture);
    if (known === undefined || !fits || options.pull) await this.#pull(name, wanted);
    const image = store.image(name);
    this.context.hold(heldOf(image));
    return image;
  }

  async #pull(name: string, platform: ReturnType<typeof parsePlatform> | undefined): Promise<void> {
    const { parts, options } = this.context;
    const auth = options.authOf(parseReference(name).domain);
    // A pull tells its progress faster than anybody needs it; only what fits is passed on in order.
    let told: Promise<void> = Promise.resolve();
    const onProgress = (p: PullProgress) => {
      told = told.then(() => options.report(p));
    };
    const { signal } = options;
    await parts.images.pull(name, {
      onProgress,
      ...(auth ? { auth } : {}),
      ...(platform ? { platform } : {}),
      ...(signal ? { signal } : {}),
    });
    await told;
  }

  async #planStep(i: Instruction): Promise<StepPlan> {
    if (i.keyword === 'RUN') return runStep(this, i);
    if (i.keyword === 'COPY' || i.keyword === 'ADD') return copyStep(this, i);
    if (i.keyword === 'ARG') return this.#argStep(i);
    if (!changesConfigOnly(i.keyword)) throw new SwarmtsError('invalid-argument', `${i.keyword} is not allowed here`);
    const { escapeChar } = this.context;
    const { state, comment } = applyConfigInstruction(i, this.#state, { variables: this.variables, escapeChar });
    if (i.keyword !== 'WORKDIR') return { config: state, createdBy: this.nop(` ${comment}`), key: comment };
    const layer = () => makeWorkingDir(this, state.config.WorkingDir ?? '/');
    return { config: state, createdBy: this.nop(comment), key: comment, layer };
  }

  #argStep(i: Instruction): StepPlan {
    const { options, plan, usedArgs, escapeChar } = this.context;
    for (const [name, value] of declaredArgs(i, this.variables, escapeChar)) {
      usedArgs.add(name);
      const given = options.buildArgs.get(name) ?? value ?? plan.metaValues.get(name);
      if (given !== undefined) this.#args.set(name, given);
    }
    return { config: this.#state, createdBy: this.nop(` ARG ${i.text}`), key: `ARG ${i.text}` };
  }

  /** How the history shows what no command has done. */
  nop(text: string): string {
    return `${(this.#state.config.Shell ?? DEFAULT_SHELL).join(' ')} #(nop) ${text}`;
  }

  async #perform(step: StepPlan): Promise<void> {
    const { hold, say } = this.context;
    const cacheKey = keyOf(step);
    const cached = this.#useCache ? await this.#cachedImage(step, cacheKey) : undefined;
    if (cached) {
      hold(heldOf(cached));
      await say(' ---> Using cache\n');
      this.#image = cached;
    } else {
      this.#useCache = false;
      this.#image = await this.#make(step, cacheKey, await step.layer?.());
    }
    this.#state = step.config;
  }

  #make(step: StepPlan, cacheKey: string, layer: LayerBlob | undefined): Promise<StoredImage> {
    const { parts, hold, options } = this.context;
    const { author, config } = step.config;
    const platform = this.#image ? undefined : options.platform;
    const image = { parent: this.#image, layer, config, author, createdBy: step.createdBy, cacheKey };
    return createImage(parts.images.store, { ...image, ...(platform ? { platform } : {}) }, [], hold, options.signal);
  }

  async #cachedImage(step: StepPlan, cacheKey: string): Promise<StoredImage | undefined> {
    if (this.context.options.cacheFrom.length === 0) return this.#cached(cacheKey);
    const { store } = this.context.parts.images;
    this.#sources ??= await cacheSources(store, this.context);
    const base = this.#image ? await store.config(this.#image.id) : undefined;
    const found = stepFromSources(this.#sources, base, step.createdBy);
    if (!found) return undefined;
    // From the first step on that an image has given, the others are another story.
    this.#sources = [found.source];
    const source = store.image(found.source.id);
    if (found.isLast) return source;
    const blob = found.layer && source.layers[found.layer.index];
    const layer = found.layer && blob && { diffId: found.layer.diffId, size: blob.size, blob };
    const restored = (i: StoredImage) => i.chain.every((c, n) => source.chain[n] === c);
    return this.#cached(cacheKey, restored) ?? this.#make(step, cacheKey, layer);
  }

  /** The newest image that the same step on the same image has made. */
  #cached(cacheKey: string, accepts: (i: StoredImage) => boolean = () => true): StoredImage | undefined {
    const { store } = this.context.parts.images;
    const parent = this.#image?.id;
    return Object.values(store.refs.images)
      .filter(
        (i) =>
          i.cacheKey === cacheKey &&
          i.parent === parent &&
          i.chain.every((c) => store.options.layers.has(c)) &&
          accepts(i),
      )
      .sort((a, b) => b.storedAtMs - a.storedAtMs)[0];
  }
}

export async function buildStage(
  context: BuildContext,
  stage: Stage,
  done: readonly StageResult[],
): Promise<StageResult> {
  const builder = new StageBuilder(context, done);
  await builder.begin(stage);
  for (const i of stage.instructions) {
    await context.announce(i);
    await builder.instruction(i);
  }
  return builder.result();
}

/** What is not here gives nothing: Docker does not pull it either. */
async function cacheSources(store: ImageStore, { options, hold }: BuildContext): Promise<readonly CacheSource[]> {
  const ids = options.cacheFrom.flatMap((name) => store.resolve(name) ?? []);
  return Promise.all(
    [...new Set(ids)].map(async (id) => {
      hold(heldOf(store.image(id)));
      const { history, diffIds } = await store.config(id);
      return { id, history, diffIds };
    }),
  );
}

/** What an image consists of: none of it may go while a build stands on it. */
function heldOf(image: StoredImage): readonly string[] {
  return [image.id, image.manifest, ...image.chain, ...image.layers.map((l) => l.digest)];
}

function keyOf(step: StepPlan): string {
  const { config, author } = step.config;
  return createHash('sha256')
    .update(JSON.stringify([step.key, step.createdBy, config, author]))
    .digest('hex');
}
