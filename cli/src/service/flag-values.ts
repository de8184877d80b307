/** The values of the service flags that have a syntax of their own. Each parser throws what the flag error shows. Pure. */
import { isIP } from 'node:net';
import { parseUlimit as ulimitOf } from '@swarmts/lib';
import type {
  CredentialSpec,
  FileReference,
  GenericResource,
  NetworkAttachment,
  PlacementPreference,
  Ulimit,
} from '../engine-types.js';
import { csvFields } from './mount.js';

/** `--secret` and `--config` before their names are looked up. */
export interface FileRequest {
  readonly source: string;
  readonly file: FileReference;
  /** Secrets only: a variable that is to hold it as well. */
  readonly env?: string;
}

export const parseSecret = (text: string): FileRequest => parseFile(text, 'secret');
export const parseConfig = (text: string): FileRequest => parseFile(text, 'config');

function parseFile(text: string, what: 'secret' | 'config'): FileRequest {
  const fields = csvFields(text);
  const blank = { UID: '0', GID: '0', Mode: 0o444 };
  const [only = ''] = fields;
  if (fields.length === 1 && !only.includes('=')) {
    return { source: only, file: { Name: what === 'config' ? `/${only}` : only, ...blank } };
  }
  let source = '';
  let env = '';
  const file = { Name: '', ...blank };
  for (const field of fields) {
    const eq = field.indexOf('=');
    if (eq < 0) throw new Error(`invalid field '${field}' must be a key=value pair`);
    const value = field.slice(eq + 1);
    const key = field.slice(0, eq).toLowerCase();
    switch (key === 'env' && what === 'config' ? '' : key) {
      case 'env':
        if (!/^[A-Za-z_]\w*$/.test(value)) throw new Error(`invalid variable ${value}`);
        env = value;
        break;
      case 'source':
      case 'src':
        source = value;
        break;
      case 'target':
        file.Name = value;
        break;
      case 'uid':
        file.UID = value;
        break;
      case 'gid':
        file.GID = value;
        break;
      case 'mode':
        if (!/^[0-7]+$/.test(value))
          throw new Error(`invalid mode specified: strconv.ParseUint: parsing "${value}": invalid syntax`);
        file.Mode = Number.parseInt(value, 8);
        break;
      default:
        throw new Error(`invalid field in ${what} request: ${field.slice(0, eq)}`);
    }
  }
  if (source === '') throw new Error('source is required');
  if (file.Name === '') file.Name = what === 'config' ? `/${source}` : source;
  return { source, file, ...(env === '' ? {} : { env }) };
}

/** Where a credential spec is: `config://NAME`, `file://PATH`, `registry://KEY`; the empty text takes it away. */
export function parseCredentialSpec(text: string): CredentialSpec {
  if (text === '') return {};
  const [, kind, place = ''] = /^(config|file|registry):\/\/(.*)$/.exec(text) ?? [];
  if (kind === 'config') return { Config: place };
  if (kind === 'file') return { File: place };
  if (kind === 'registry') return { Registry: place };
  throw new Error('invalid credential spec: value must be prefixed with "config://", "file://", or "registry://"');
}

/** `NAME` or `name=NAME,alias=A,driver-opt=K=V,ip=ADDRESS`. */
export function parseNetwork(text: string): NetworkAttachment {
  if (!/(^|,)name=/.test(text)) return { Target: text };
  let target = '';
  const aliases: string[] = [];
  const addresses: string[] = [];
  const options: Record<string, string> = {};
  for (const field of csvFields(text)) {
    const [key = '', ...rest] = field.split('=');
    const value = rest.join('=');
    if (key === 'name') target = value;
    else if (key === 'alias') aliases.push(value);
    else if (key === 'ip') addresses.push(value);
    else if (key === 'driver-opt') options[rest[0] ?? ''] = rest.slice(1).join('=');
    else throw new Error(`invalid field key ${key}`);
  }
  return {
    Target: target,
    ...(aliases.length > 0 ? { Aliases: aliases } : {}),
    ...(Object.keys(options).length > 0 ? { DriverOpts: options } : {}),
    ...(addresses.length > 0 ? { Addresses: addresses } : {}),
  };
}

export function parsePreference(text: string): PlacementPreference {
  const eq = text.indexOf('=');
  if (eq < 0) throw new Error('placement preference must be of the format "<strategy>=<arg>"');
  if (text.slice(0, eq).trim() !== 'spread') {
    throw new Error(`unsupported placement preference ${text.slice(0, eq)} (only spread is supported)`);
  }
  return { Spread: { SpreadDescriptor: text.slice(eq + 1).trim() } };
}

/** `name=soft[:hard]`. */
export function parseUlimit(text: string): Ulimit {
  const { name, soft, hard } = ulimitOf(text);
  return { Name: name, Soft: soft, Hard: hard };
}

/** `host:ip` -> "ip host", the order of /etc/hosts that the API wants. */
export function parseHostEntry(text: string): string {
  const colon = text.search(/[:=]/);
  const [host, ip] = colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1).replace(/^\[|\]$/g, '')];
  if (host === '' || ip === '') throw new Error(`bad format for add-host: "${text}"`);
  if (!/^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/.test(ip)) {
    throw new Error(`invalid IP address in add-host: "${ip}"`);
  }
  return `${ip} ${host}`;
}

/** An address as Go's net.ParseIP takes it: without a zone. */
export function parseIpAddress(text: string): string {
  const address = text.trim();
  if (isIP(address) === 0 || address.includes('%')) throw new Error(`IP address is not correctly formatted: ${text}`);
  return address;
}

/** "GPU=2": which of the named ones of a node a service gets is not for it to say. */
export function parseGenericResource(text: string): GenericResource {
  const m = /^([^=]+)=(.+)$/.exec(text);
  if (!m?.[1] || !m[2]) throw new Error(`invalid generic-resource format \`${text}\` expected \`name=value\``);
  if (!/^\d+$/.test(m[2]))
    throw new Error(`invalid generic-resource \`${text}\`: services ask for an amount, not for names`);
  return { DiscreteResourceSpec: { Kind: m[1], Value: Number(m[2]) } };
}

/** `key=value`; a bare key has the empty value. */
export function parsePair(text: string): readonly [string, string] {
  const eq = text.indexOf('=');
  return eq < 0 ? [text, ''] : [text.slice(0, eq), text.slice(eq + 1)];
}

/** Words as a shell reads them: quotes group, a backslash takes the next character as it is. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  const word = /(?:[^\s"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+/g;
  const rest = text.replace(word, (w) => {
    words.push(
      w.replace(
        /\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g,
        (_, c?: string, dq?: string, sq?: string) =>
          c ?? (dq === undefined ? (sq ?? '') : dq.replace(/\\(["\\$`])/g, '$1')),
      ),
    );
    return '';
  });
  if (rest.trim() !== '') throw new Error('EOF found when expecting closing quote');
  return words;
}

/** In place of a capability: none of those that a service has. */
export const RESET = 'RESET';

/** CAP_NET_ADMIN for net_admin; ALL and RESET stay. */
export function capability(name: string): string {
  const upper = name.trim().toUpperCase();
  return upper === 'ALL' || upper === RESET || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}
