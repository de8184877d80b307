/** Values of the flags of `run` and `create`. Pure. */
import { CommandError } from '../exit.js';
import { parsePublish } from '../service/publish.js';

/** "on-failure:3" */
export function parseRestart(text: string): { readonly Name: string; readonly MaximumRetryCount: number } {
  const [name = '', count] = text.split(':');
  if (count !== undefined && !/^\d+$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  if (name === '' && text !== '') throw new Error('invalid restart policy format: no policy provided before colon');
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}

/** "[HOST:][HOSTPORT:]PORT[/PROTOCOL]" with ranges, as PortBindings. */
export function portBindings(flags: readonly string[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const flag of flags) {
    const [hostIp, rest] = splitHost(flag);
    const ports = parsePublish(rest.replace(/^:/, ''));
    // A range before a single port: the daemon takes whichever is free.
    const isChoice = ports.length > 1 && ports.every((p) => p.TargetPort === ports[0]?.TargetPort);
    for (const p of isChoice ? ports.slice(0, 1) : ports) {
      const key = `${p.TargetPort}/${p.Protocol ?? 'tcp'}`;
      const first = p.PublishedPort ? String(p.PublishedPort) : '';
      const HostPort = isChoice ? `${first}-${ports.at(-1)?.PublishedPort}` : first;
      bindings[key] = [...(bindings[key] ?? []), { HostIp: hostIp, HostPort }];
    }
  }
  return bindings;
}

function splitHost(flag: string): [string, string] {
  const v6 = /^\[([^\]]+)\]:(.*)$/.exec(flag);
  if (v6) return [v6[1] ?? '', v6[2] ?? ''];
  const parts = flag.split(':');
  return parts.length === 3 ? [parts[0] ?? '', `${parts[1]}:${parts[2]}`] : ['', flag];
}

/** "/dev/a[:/dev/b][:rwm]" */
export function parseDevice(text: string) {
  const [host = '', second, third] = text.split(':');
  if (!host.startsWith('/')) throw new Error(`invalid device: ${text}`);
  const isMode = second !== undefined && /^[rwm]+$/.test(second) && third === undefined;
  return {
    PathOnHost: host,
    PathInContainer: isMode || second === undefined || second === '' ? host : second,
    CgroupPermissions: (isMode ? second : third) || 'rwm',
  };
}

/** "/path[:options]" */
export function tmpfsMap(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.map((f) => {
      const at = f.indexOf(':');
      return at < 0 ? [f, ''] : [f.slice(0, at), f.slice(at + 1)];
    }),
  );
}

/** "/dev/x:value" */
export function throttle(parse: (text: string) => number, field: 'Rate' | 'Weight') {
  return (text: string) => {
    const at = text.indexOf(':');
    if (at < 0 || !text.startsWith('/dev/')) throw new Error(`bad format: ${text}`);
    return { Path: text.slice(0, at), [field]: parse(text.slice(at + 1)) };
  };
}

/** "key=value" pairs as a map. */
export function pairs(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    flags.map((f) => {
      const at = f.indexOf('=');
      return at < 0 ? [f, ''] : [f.slice(0, at), f.slice(at + 1)];
    }),
  );
}

export function gpuRequest(text: string): Record<string, unknown> {
  const fields = text.includes('=') ? pairs(text.replaceAll('"', '').split(',')) : { count: text };
  const { count = '', device } = fields;
  if (device === undefined && count !== 'all' && !/^\d+$/.test(count)) throw new CommandError(`invalid gpus: ${text}`);
  return {
    Driver: '',
    Count: device === undefined ? (count === 'all' ? -1 : Number(count)) : 0,
    DeviceIDs: device === undefined ? null : device.split(','),
    Capabilities: [['gpu']],
    Options: {},
  };
}
