/**
 * A container's /etc/resolv.conf, by Docker's rules: what the user set wins; otherwise the host's file without name servers
 * on loopback addresses, which mean nothing inside of a container; when none is left, Google's public ones.
 */

export const DEFAULT_NAMESERVERS = ['8.8.8.8', '8.8.4.4'] as const;

export interface ResolvConfInput {
  /** Content of the host's file ('' when there is none). */
  readonly host: string;
  /** User's settings; an empty list means "not set". A search list of one "." means none at all. */
  readonly nameservers?: readonly string[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
  /** Options that are there unless one of the same name is: "ndots:0". */
  readonly required?: readonly string[];
}

export interface ResolvConf {
  readonly content: string;
  readonly nameservers: readonly string[];
  /** No usable name server was found, so the public ones stand in: worth a warning. */
  readonly usesDefaults: boolean;
}

interface Parsed {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(content: string): Parsed {
  const nameservers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of content.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain') search = values;
    else if (keyword === 'options') options.push(...values);
  }
  return { nameservers, search, options };
}

function isLoopback(address: string): boolean {
  return /^127\./.test(address) || address === '::1';
}

/** IPv6 name servers are of no use in a container without IPv6, and a zone means an interface of the host. */
function isReachable(address: string): boolean {
  return !isLoopback(address) && !address.includes(':');
}

export function buildResolvConf(input: ResolvConfInput): ResolvConf {
  const host = parseResolvConf(input.host);
  const chosen = isSet(input.nameservers) ? input.nameservers : host.nameservers.filter(isReachable);
  const usesDefaults = chosen.length === 0;
  const nameservers = usesDefaults ? [...DEFAULT_NAMESERVERS] : chosen;
  const search = isSet(input.search) ? input.search : host.search;
  const options = withRequired(isSet(input.options) ? input.options : host.options, input.required ?? []);
  const lines = nameservers.map((n) => `nameserver ${n}`);
  if (search.length > 0 && !(search.length === 1 && search[0] === '.')) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return { content: `${lines.join('\n')}\n`, nameservers, usesDefaults };
}

function withRequired(options: readonly string[], required: readonly string[]): readonly string[] {
  const nameOf = (option: string) => option.split(':')[0];
  const names = new Set(options.map(nameOf));
  return [...options, ...required.filter((r) => !names.has(nameOf(r)))];
}

function isSet(list: readonly string[] | undefined): list is readonly string[] {
  return list !== undefined && list.length > 0;
}
