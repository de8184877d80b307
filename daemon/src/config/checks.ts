/** Values of settings, checked one by one. Each throws SwarmtsError 'invalid-argument', which names the value and the way out. */
import { type LogLevel, logLevels, SwarmtsError } from '@swarmts/lib';
import { GenericResource } from '@swarmts/proto';
import { parseBusUrl } from '../event-bus/bus-url.js';
import type { TlsConfig } from './config.js';

/** As dockerd: an address of http or https without credentials, query and fragment; a path is kept. */
export function checkMirror(mirror: string): string {
  const url = URL.canParse(mirror) ? new URL(mirror) : undefined;
  const isPlain = url && url.username + url.password + url.search + url.hash === '';
  if (isPlain && (url.protocol === 'http:' || url.protocol === 'https:')) return mirror;
  throw new SwarmtsError('invalid-argument', `invalid mirror: "${mirror}" is no address such as https://mirror:5000`);
}

/** Everybody is let in only where that is asked for in so many words. Throws SwarmtsError 'invalid-argument'. */
export function tlsOf(o: {
  readonly tls: unknown;
  readonly verify: unknown;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}): TlsConfig {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  const files = { ca: o.ca, cert: o.cert, key: o.key };
  const isOwn = o.tls === true || o.verify !== undefined || Object.values(files).some((f) => f !== '');
  if (o.tls === false) {
    if (o.verify === true) throw bad('--tls=false and --tlsverify exclude each other');
    return { kind: 'insecure' };
  }
  if (!isOwn) return { kind: 'cluster' };
  if (o.cert === '' || o.key === '') throw bad('TLS of your own needs --tlscert and --tlskey');
  if (o.verify === false) return { kind: 'files', ...files, ca: '' };
  if (o.verify !== true)
    throw bad(
      'clients that are not verified are root on this machine: add --tlsverify and --tlscacert, or --tlsverify=false to let everybody in',
    );
  if (o.ca === '') throw bad('--tlsverify needs --tlscacert, the CA of the clients');
  return { kind: 'files', ...files };
}

export function checkEventBus(url: string): string {
  if (url !== '') parseBusUrl(url);
  return url;
}

/** Without a scheme it is of TCP. */
export function hostOf(text: string): string {
  const host = /^[^/]+:\d+$/.test(text) ? `tcp://${text}` : text;
  if (/^unix:\/\/\/.+/.test(host) || /^tcp:\/\/[^/]+:\d+$/.test(host)) return host;
  throw new SwarmtsError(
    'invalid-argument',
    `invalid argument "${host}" for "-H, --host": use unix:///PATH or tcp://HOST:PORT`,
  );
}

/** A kind is either counted or named; "gpu=a,gpu=b" and two flags are the same. */
export function parseGenericResources(entries: readonly string[]): readonly GenericResource[] {
  const found = entries
    .flatMap((e) => e.split(','))
    .map((entry) => {
      const m = /^([^=\s]+)=([^=\s]+)$/.exec(entry);
      const [, kind = '', value = ''] = m ?? [];
      if (!m)
        throw new SwarmtsError(
          'invalid-argument',
          `invalid generic resource ${entry}: use --node-generic-resource KIND=COUNT or KIND=NAME`,
        );
      return GenericResource.create(/^\d+$/.test(value) ? { kind, count: Number(value) } : { kind, value });
    });
  for (const r of found) {
    const mixed = found.some(
      (x) => x !== r && x.kind === r.kind && (r.value === '' || x.value === '' || x.value === r.value),
    );
    if (mixed)
      throw new SwarmtsError(
        'invalid-argument',
        `generic resource ${r.kind} is given twice, or both counted and named`,
      );
  }
  return found;
}

export function checkLabel(label: string): string {
  if (/^[^=\s]+=.*$/.test(label)) return label;
  throw new SwarmtsError('invalid-argument', `bad attribute format: ${label}: use --label KEY=VALUE`);
}

export function levelOf(text: string): LogLevel {
  const level = logLevels.find((l) => l === (text === 'fatal' ? 'error' : text));
  if (!level) throw new SwarmtsError('invalid-argument', `invalid logging level: ${text}: use ${logLevels.join(', ')}`);
  return level;
}

export function runtimesOf(v: unknown): Readonly<Record<string, string>> {
  if (v === undefined) return {};
  if (Array.isArray(v)) {
    return Object.fromEntries(
      v.map((x) => {
        const [name, path] = String(x).split('=');
        if (!name || !path)
          throw new SwarmtsError('invalid-argument', `invalid runtime ${x}: use --add-runtime NAME=PATH`);
        return [name, path];
      }),
    );
  }
  // The file's form: {"name": {"path": "..."}}.
  return Object.fromEntries(
    Object.entries(v as Record<string, { readonly path?: string }>).map(([n, r]) => [n, r.path ?? n]),
  );
}
