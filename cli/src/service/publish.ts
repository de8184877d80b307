/** `--publish`: the short form `[HOST:]CONTAINER[/PROTOCOL]` with ranges, and the long form of `key=value` pairs. Pure. */
import type { PortConfig } from '../engine-types.js';

const PROTOCOLS = ['tcp', 'udp', 'sctp'];
const MAX_PORT = 65535;

export function parsePublish(text: string): readonly PortConfig[] {
  return text.includes('=') ? [longForm(text)] : shortForm(text);
}

function longForm(text: string): PortConfig {
  const port: { -readonly [K in keyof PortConfig]: PortConfig[K] } = {};
  for (const field of text.split(',')) {
    const eq = field.indexOf('=');
    if (eq < 0) throw new Error(`invalid field: ${field}`);
    const [key, value] = [field.slice(0, eq).toLowerCase(), field.slice(eq + 1)];
    switch (key) {
      case 'protocol':
        if (!PROTOCOLS.includes(value)) throw new Error(`invalid protocol value '${value}'`);
        port.Protocol = value;
        break;
      case 'mode':
        if (value !== 'ingress' && value !== 'host')
          throw new Error(`invalid publish mode value (${value}): must be either 'ingress' or 'host'`);
        port.PublishMode = value;
        break;
      case 'target':
        port.TargetPort = longPort('target', value);
        break;
      case 'local':
        if (value !== 'prefer') throw new Error(`invalid local value (${value}): must be 'prefer'`);
        port.PreferLocal = true;
        break;
      case 'published':
        port.PublishedPort = longPort('published', value);
        break;
      default:
        throw new Error(`invalid field key: ${key}`);
    }
  }
  if (!port.TargetPort) throw new Error('missing mandatory field "target"');
  return { Protocol: 'tcp', PublishMode: 'ingress', ...port };
}

function longPort(name: string, value: string): number {
  if (!/^\d+$/.test(value)) {
    throw new Error(
      `invalid ${name} port (${value}): value must be an integer: strconv.ParseUint: parsing "${value}": invalid syntax`,
    );
  }
  if (Number(value) > MAX_PORT) throw new Error(`invalid ${name} port (${value}): value must be at most ${MAX_PORT}`);
  return Number(value);
}

function shortForm(text: string): PortConfig[] {
  const slash = text.lastIndexOf('/');
  const protocol = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase();
  const ports = slash < 0 ? text : text.slice(0, slash);
  if (!PROTOCOLS.includes(protocol)) throw new Error(`invalid proto: ${protocol}`);
  const colon = ports.lastIndexOf(':');
  const published = colon < 0 ? '' : ports.slice(0, colon);
  if (published.includes(':')) throw new Error('hostip is not supported');
  const target = range('containerPort', ports.slice(colon + 1), text);
  const source = published === '' ? undefined : range('hostPort', published, text);
  if (source && source.length !== target.length && target.length !== 1) {
    throw new Error(
      `invalid ranges specified for container and host Ports: ${ports.slice(colon + 1)} and ${published}`,
    );
  }
  const config = (TargetPort: number, PublishedPort?: number): PortConfig => ({
    Protocol: protocol,
    TargetPort,
    ...(PublishedPort === undefined ? {} : { PublishedPort }),
    PublishMode: 'ingress',
  });
  // A range before a single container port publishes it under each of them.
  return source ? source.map((s, i) => config(target[i] ?? target[0] ?? 0, s)) : target.map((t) => config(t));
}

function range(what: 'containerPort' | 'hostPort', text: string, whole: string): number[] {
  const m = /^(\d+)(?:-(\d+))?$/.exec(text);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (!m || from > MAX_PORT || to > MAX_PORT || (from < 1 && what === 'containerPort')) {
    throw new Error(text === '' ? `no port specified: ${whole}<empty>` : `invalid ${what}: ${text}`);
  }
  if (to < from) throw new Error(`invalid range specified for port: ${text}`);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
