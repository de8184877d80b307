/** COPY, ADD and the directory of WORKDIR: files that go into a layer without any container. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isSwarmtsError, messageOf, newHexId, SwarmtsError } from '@swarmts/lib';
import { type LayerBlob, layerFrom } from '../images/image-creation.js';
import type { StoredImage } from '../images/image-index.js';
import { runChild } from '../snapshots/child-report.js';
import { removeTree } from '../snapshots/remove-tree.js';
import { mountRootfs, rootfsPaths } from '../snapshots/rootfs.js';
import {
  BUILD_MAIN,
  type BuildChildRequest,
  type CopySource,
  type FetchedFile,
  type Selection,
} from './build-request.js';
import { jsonList, workingDir } from './config-instructions.js';
import type { Instruction } from './dockerfile.js';
import { expandWord, splitWords } from './shell-words.js';
import type { StageBuilder, StepPlan } from './stage-builder.js';
import { stageIndex } from './stage-plan.js';

/** Where sources come from: the context, another stage, an image, an address. */
interface SourceTree {
  readonly root: string;
  readonly patterns: readonly string[];
}

export async function copyStep(stage: StageBuilder, i: Instruction): Promise<StepPlan> {
  const { escapeChar } = stage.context;
  const words = (jsonList(i.text) ?? splitWords(i.text, escapeChar)).map((w) =>
    expandWord(w, stage.variables, escapeChar),
  );
  const patterns = words.slice(0, -1);
  if (patterns.length === 0) throw tooFewArguments(i);
  const destination = destinationOf(words.at(-1) ?? '', stage.state.config.WorkingDir ?? '/');
  const owner = expandWord(i.flags.get('chown') ?? '', stage.variables, escapeChar);
  const mode = expandWord(i.flags.get('chmod') ?? '', stage.variables, escapeChar);
  // As in Docker: what comes from another stage stays whose it was, unless somebody says otherwise.
  const keepsOwners = i.flags.has('from') && owner === '';
  const { sources, hash } = await selectAll(stage, i, patterns, keepsOwners);
  if (sources.length > 1 && !destination.endsWith('/')) {
    throw bad(
      `When using ${i.keyword} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const createdBy = stage.nop(`${i.keyword} ${hash} in ${destination} `);
  const key = [i.keyword, hash, destination, owner, mode].join(' ');
  const { ids } = stage.context.parts.images.store.options.layers;
  const copy = (root: string): BuildChildRequest => ({ kind: 'copy', sources, root, ids, destination, owner, mode });
  return { config: stage.state, createdBy, key, layer: () => changedLayer(stage, copy, '') };
}

/** The directory that WORKDIR names, when the image does not have it. */
export function makeWorkingDir(stage: StageBuilder, path: string): Promise<LayerBlob | undefined> {
  const { ids } = stage.context.parts.images.store.options.layers;
  return changedLayer(stage, (root) => ({ kind: 'make-directory', root, path, ids }), 'WORKDIR failed');
}

function destinationOf(word: string, base: string): string {
  if (word === '') throw bad('the destination of COPY and ADD cannot be empty');
  const path = workingDir(base, word);
  return /(^|\/)\.?$/.test(word) && !path.endsWith('/') ? `${path}/` : path;
}

async function selectAll(stage: StageBuilder, i: Instruction, patterns: readonly string[], keepsOwners: boolean) {
  const from = i.flags.get('from');
  const trees: (SourceTree & { readonly extract: boolean })[] = [];
  if (from !== undefined) {
    trees.push({
      root: await otherRoot(stage, expandWord(from, stage.variables, stage.context.escapeChar)),
      patterns,
      extract: false,
    });
  } else {
    for (const p of patterns) {
      const isUrl = i.keyword === 'ADD' && /^(https?|ftp):\/\//.test(p);
      const tree = isUrl ? await fetched(stage, p) : { root: stage.context.files, patterns: [p] };
      trees.push({ ...tree, extract: i.keyword === 'ADD' && !isUrl });
    }
  }
  const sources: CopySource[] = [];
  const hashes: string[] = [];
  for (const { root, patterns: wanted, extract } of trees) {
    const select = { kind: 'select', root, patterns: wanted, owners: keepsOwners } as const;
    const found = await child<Selection>(stage, select, `${i.keyword} failed`);
    sources.push(...found.sources.map((s) => ({ ...s, root, extract, keepsOwners })));
    hashes.push(found.hash);
  }
  return {
    sources,
    hash: hashes.length === 1 ? (hashes[0] ?? '') : `multi:${hashes.map((h) => h.split(':')[1]).join('')}`,
  };
}

async function fetched(stage: StageBuilder, url: string): Promise<SourceTree> {
  await stage.context.say(`Downloading ${url}\n`);
  const directory = join(stage.context.scratch, `fetch-${newHexId().slice(0, 8)}`);
  const { name } = await child<FetchedFile>(stage, { kind: 'fetch', url, directory }, 'ADD failed');
  // A name is no pattern.
  return { root: directory, patterns: [name.replace(/[*?[\\]/g, '\\$&')] };
}

/** The root file system of another stage or image, mounted until the build is over. */
async function otherRoot(stage: StageBuilder, ref: string): Promise<string> {
  const { plan, scratch, mounts } = stage.context;
  const index = stageIndex(plan.stages, ref, stage.done.length);
  if (/^\d+$/.test(ref) && index < 0) {
    const why = Number(ref) === stage.done.length ? 'refers to current build stage' : 'index out of bounds';
    throw bad(`invalid from flag value ${ref}: ${why}`);
  }
  const image = index >= 0 ? stage.done[index]?.image : await imageFrom(stage, ref);
  const key = image?.id ?? 'scratch';
  const known = mounts.get(key);
  if (known) return known;
  const root = await mountAt(stage, image, join(scratch, `from-${newHexId().slice(0, 8)}`));
  mounts.set(key, root);
  return root;
}

async function imageFrom(stage: StageBuilder, ref: string): Promise<StoredImage> {
  try {
    return await stage.imageNamed(ref, '');
  } catch (e) {
    const code = isSwarmtsError(e) ? e.code : 'internal';
    throw new SwarmtsError(code, `invalid from flag value ${ref}: ${messageOf(e)}`, { cause: e });
  }
}

/** What `work` changes in the root file system of the image so far, as a layer. */
async function changedLayer(
  stage: StageBuilder,
  work: (root: string) => BuildChildRequest,
  what: string,
): Promise<LayerBlob | undefined> {
  const { parts, scratch, hold, options } = stage.context;
  const { store } = parts.images;
  const directory = join(scratch, `step-${newHexId().slice(0, 8)}`);
  const root = await mountAt(stage, stage.image, directory);
  try {
    await child(stage, work(root), what);
  } finally {
    await store.options.helper.unmount(root);
  }
  const { upper } = rootfsPaths(directory);
  const layer = await layerFrom(
    store,
    { kind: 'pack', source: upper, emptyMounts: [], lower: [], ids: store.options.layers.ids },
    hold,
    options.signal,
  );
  await removeTree(store.options.helper, directory);
  return layer;
}

async function mountAt(stage: StageBuilder, image: StoredImage | undefined, directory: string): Promise<string> {
  const { helper, layers } = stage.context.parts.images.store.options;
  await mkdir(directory, { mode: 0o711 });
  return mountRootfs(helper, layers, image?.chain ?? [], directory);
}

async function child<T>(stage: StageBuilder, request: BuildChildRequest, what: string): Promise<T> {
  const { parts, options } = stage.context;
  try {
    return await runChild<T>(parts.images.store.options.helper, BUILD_MAIN, request, what, options.signal);
  } catch (e) {
    if (!isSwarmtsError(e)) throw e;
    // A path that leads nowhere sensible is the Dockerfile's mistake, not damage.
    const code = e.code === 'corrupt' ? 'invalid-argument' : e.code;
    throw new SwarmtsError(code, withoutPlaces(e.message, stage.context.scratch), { cause: e });
  }
}

/** What lies below a context or a root file system, as the Dockerfile calls it: where that is on the machine is nobody's business. */
function withoutPlaces(message: string, scratch: string): string {
  const [before = '', ...others] = message.split(`${scratch}/`);
  return before + others.map((part) => part.replace(/^[\w-]+(\/rootfs)?/, '')).join('');
}

export function tooFewArguments(i: Instruction): SwarmtsError {
  const missing = 'but only one was provided. Destination could not be determined';
  return bad(`${i.keyword} requires at least two arguments, ${missing}`);
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
