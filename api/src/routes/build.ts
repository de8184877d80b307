/** /build: the classic builder's endpoint, with the context as the body. */
import { SwarmtsError } from '@swarmts/lib';
import { readSecurity } from '../convert/container-security.js';
import { parseFilters } from '../filters.js';
import { type Call, empty, flag, json, type Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { BuildRequest } from '../image-backend.js';
import { isRecord, JsonObject } from '../json/object.js';
import { decodeRegistryAuth } from '../registry-auth.js';
import type { RouteContext } from './context.js';
import { progressReply } from './progress.js';

const BUILDKIT = '2';
const CACHE_FILTERS = [
  'until',
  'unused-for',
  'id',
  'parent',
  'type',
  'description',
  'inuse',
  'shared',
  'private',
  // `docker system prune` asks everybody the same.
  'label',
  'label!',
];
/** More builds with an id at a time are refused: ids are for cancelling. */
const MAX_NAMED_BUILDS = 1000;
const NS_PER_CPU = 1e9;
/** Docker's default for --cpu-period. */
const DEFAULT_PERIOD_US = 100_000;

export function buildRoutes(c: RouteContext): Route[] {
  /** Builds that the client has named, so that it can cancel them. */
  const named = new Map<string, AbortController>();
  return [
    route('POST', '/build', async (call) => build(c, call, named)),
    route('POST', '/build/cancel', async ({ query }) => {
      const id = query.get('id') ?? '';
      if (id === '') throw new SwarmtsError('invalid-argument', 'build ID not provided');
      const running = named.get(id);
      if (!running) throw new SwarmtsError('not-found', `no build ${id} is going on`);
      running.abort(new SwarmtsError('aborted', 'the build was cancelled'));
      return empty(204);
    }),
    // Asked for by `docker system prune` each time. There is no cache beside the images, so nothing of it can be unused.
    route('POST', '/build/prune', async ({ query }) => {
      parseFilters(query, CACHE_FILTERS);
      c.pruned('builder', 0);
      return json({ CachesDeleted: [], SpaceReclaimed: 0 });
    }),
  ];
}

async function build(c: RouteContext, call: Call, named: Map<string, AbortController>): Promise<Reply> {
  const request = buildRequest(call);
  const id = call.query.get('buildid') ?? '';
  const cancel = new AbortController();
  if (id !== '') {
    if (named.has(id)) throw new SwarmtsError('conflict', `a build with the id ${id} is going on`);
    if (named.size >= MAX_NAMED_BUILDS) throw new SwarmtsError('resource-exhausted', 'too many builds are going on');
    named.set(id, cancel);
  }
  const forget = () => named.delete(id);
  const signal = AbortSignal.any([call.signal, cancel.signal]);
  async function* records() {
    try {
      yield* c.backend.images.build(request, signal);
    } finally {
      forget();
    }
  }
  try {
    return await progressReply(call, records());
  } catch (e) {
    forget();
    throw e;
  }
}

function buildRequest(call: Call): BuildRequest {
  const { query } = call;
  const text = (name: string) => query.get(name) ?? '';
  const several = (name: string) => query.getAll(name).filter((value) => value !== '');
  if (text('version') === BUILDKIT) {
    throw new SwarmtsError('unsupported', 'BuildKit is not supported by this daemon: set DOCKER_BUILDKIT=0');
  }
  if (flag(query, 'squash')) {
    throw new SwarmtsError('invalid-argument', 'squash is only supported with experimental mode');
  }
  const isolation = text('isolation');
  if (isolation !== '' && isolation !== 'default') {
    throw new SwarmtsError('invalid-argument', `unsupported isolation: "${isolation}"`);
  }
  if (text('remote') !== '' && text('remote') !== 'client-session') {
    throw new SwarmtsError('unsupported', 'a build context at an address is not supported: download it and send it');
  }
  return {
    dockerfile: text('dockerfile') || 'Dockerfile',
    tags: several('t'),
    buildArgs: buildArgs(query),
    labels: mapOf(query, 'labels'),
    target: text('target'),
    noCache: flag(query, 'nocache'),
    cacheFrom: cacheFrom(query),
    pull: flag(query, 'pull'),
    remove: !query.has('rm') || flag(query, 'rm'),
    forceRemove: flag(query, 'forcerm'),
    quiet: flag(query, 'q'),
    networkMode: text('networkmode'),
    platform: text('platform'),
    extraHosts: several('extrahosts'),
    memoryBytes: integer(query, 'memory'),
    memorySwapBytes: integer(query, 'memswap'),
    cpuShares: integer(query, 'cpushares'),
    nanoCpus: cpus(integer(query, 'cpuquota'), integer(query, 'cpuperiod')),
    cpusetCpus: text('cpusetcpus'),
    cpusetMems: text('cpusetmems'),
    cgroupParent: text('cgroupparent'),
    security: readSecurity(new JsonObject({ SecurityOpt: several('securityopt') })),
    shmSizeBytes: integer(query, 'shmsize'),
    ulimits: ulimits(query),
    auths: auths(call),
    context: call.body,
  };
}

function integer(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text === '') return 0;
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new SwarmtsError('invalid-argument', `invalid ${name} "${text}": a whole number is expected`);
  }
  return Number(text);
}

function cpus(quotaUs: number, periodUs: number): number {
  return quotaUs <= 0 ? 0 : Math.round((quotaUs / (periodUs || DEFAULT_PERIOD_US)) * NS_PER_CPU);
}

/** A JSON value of the query; empty and null count as absent. */
function parsed(query: URLSearchParams, name: string): unknown {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return value ?? undefined;
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `error reading ${name}: it must be JSON`, { cause: e });
  }
}

/** A name without a value (null) is one that the client's environment does not have. */
function buildArgs(query: URLSearchParams): Map<string, string | undefined> {
  const value = parsed(query, 'buildargs') ?? {};
  if (!isRecord(value)) throw new SwarmtsError('invalid-argument', 'error reading build args: an object is expected');
  return new Map(Object.entries(value).map(([k, v]) => [k, typeof v === 'string' ? v : undefined]));
}

function mapOf(query: URLSearchParams, name: string): Readonly<Record<string, string>> {
  const value = parsed(query, name);
  return value === undefined ? {} : new JsonObject({ [name]: value }).map(name);
}

function cacheFrom(query: URLSearchParams): readonly string[] {
  const value = parsed(query, 'cachefrom');
  return value === undefined ? [] : new JsonObject({ cachefrom: value }).strings('cachefrom');
}

function ulimits(query: URLSearchParams): BuildRequest['ulimits'] {
  const value = parsed(query, 'ulimits');
  if (value === undefined) return [];
  return new JsonObject({ ulimits: value })
    .objects('ulimits')
    .map((u) => ({ name: u.string('Name'), soft: u.integer('Soft'), hard: u.integer('Hard') }));
}

/** X-Registry-Config: credentials by registry. */
function auths(call: Call): BuildRequest['auths'] {
  const value = decodeRegistryAuth(call.headers['x-registry-config']);
  return isRecord(value) ? value : {};
}
