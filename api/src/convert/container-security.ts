/** Privileges, namespaces, devices and logs of containers, as HostConfig has them. */
import { SwarmtsError } from '@swarmts/lib';
import { MAX_GPUS, selinuxLabel } from '@swarmts/proto';
import type { ContainerCreate, ContainerSettings } from '../backend.js';
import type { JsonObject } from '../json/object.js';

type Security = Pick<
  ContainerCreate,
  | 'noNewPrivileges'
  | 'seccompUnconfined'
  | 'seccompProfile'
  | 'apparmorProfile'
  | 'selinuxLabel'
  | 'maskedPaths'
  | 'readonlyPaths'
>;

export function readSecurity(host: JsonObject): Security {
  let out: Security = {
    seccompUnconfined: false,
    ...(host.has('MaskedPaths') ? { maskedPaths: host.strings('MaskedPaths') } : {}),
    ...(host.has('ReadonlyPaths') ? { readonlyPaths: host.strings('ReadonlyPaths') } : {}),
  };
  const labels: Record<string, string> = {};
  for (const option of host.strings('SecurityOpt')) {
    const [, key = option, value = ''] = /^([^=:]+)[=:]([\s\S]*)$/.exec(option) ?? [];
    if (key === 'no-new-privileges') out = { ...out, noNewPrivileges: booleanOf(option, value) };
    else if (key === 'seccomp') out = { ...out, ...seccompOf(value) };
    else if (key === 'apparmor') out = { ...out, apparmorProfile: value };
    else if (key === 'label' || option === 'disable') Object.assign(labels, labelPart(value));
    else if (key === 'systempaths' && value === 'unconfined') out = { ...out, maskedPaths: [], readonlyPaths: [] };
    else throw new SwarmtsError('invalid-argument', `invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  const label = selinuxLabel(labels);
  return { ...out, ...(label === '' ? {} : { selinuxLabel: label }) };
}

/** What stands for them in SecurityOpt. */
export function securityOptions(s: ContainerSettings): readonly string[] {
  const [user, role, type, ...level] = s.selinuxLabel?.split(':') ?? [];
  const labels = Object.entries({ user, role, type, level: level.join(':') }).filter(([, v]) => v);
  return [
    ...labels.map(([part, value]) => `label=${part}:${value}`),
    ...(s.seccompUnconfined ? ['seccomp=unconfined'] : []),
    ...(s.seccompProfile === undefined ? [] : [`seccomp=${s.seccompProfile || 'builtin'}`]),
    ...(s.apparmorProfile === undefined ? [] : [`apparmor=${s.apparmorProfile}`]),
    ...(s.noNewPrivileges ? ['no-new-privileges=true'] : []),
  ];
}

/** "type:svirt_t" and the like; "disable" is none. */
function labelPart(value: string): Record<string, string> {
  const [, part, text] = /^(user|role|type|level):(.+)$/.exec(value) ?? [];
  return part && text ? { [part]: text } : {};
}

function booleanOf(option: string, value: string): boolean {
  if (['', '1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new SwarmtsError('invalid-argument', `invalid --security-opt 2: ${JSON.stringify(option)}`);
}

/** Clients send the content of the file that their user names. */
function seccompOf(value: string): Partial<Security> {
  if (value === 'unconfined') return { seccompUnconfined: true };
  return { seccompProfile: value === 'builtin' ? '' : value };
}

type Devices = Pick<ContainerCreate, 'devices' | 'deviceRules' | 'cdiDevices'>;

export function readDevices(host: JsonObject): Devices {
  return {
    devices: host.objects('Devices').map((d) => {
      const hostPath = d.string('PathOnHost');
      const permissions = d.string('CgroupPermissions') || 'rwm';
      if (!/^[rwm]{1,3}$/.test(permissions)) {
        throw new SwarmtsError('invalid-argument', `invalid device mode: ${permissions}`);
      }
      return { hostPath, containerPath: d.string('PathInContainer') || hostPath, permissions };
    }),
    deviceRules: host.strings('DeviceCgroupRules'),
    cdiDevices: host.objects('DeviceRequests').flatMap(cdiNames),
  };
}

/** `--gpus` is a request for whatever driver there is; the drivers here are those that are described by CDI. */
function cdiNames(request: JsonObject): string[] {
  const driver = request.string('Driver');
  const ids = request.strings('DeviceIDs');
  if (driver === 'cdi') return ids;
  const raw = request.raw('Capabilities');
  const sets = Array.isArray(raw) ? raw.filter((c): c is string[] => Array.isArray(c)) : [];
  if ((driver !== '' && driver !== 'nvidia') || !sets.some((s) => s.includes('gpu'))) {
    const capabilities = sets.map((s) => `[${s.join(' ')}]`).join(' ');
    throw new SwarmtsError(
      'invalid-argument',
      `could not select device driver ${JSON.stringify(driver)} with capabilities: [${capabilities}]`,
    );
  }
  const count = request.integer('Count');
  if (ids.length > 0) return ids.map((i) => (i.includes('=') ? i : `nvidia.com/gpu=${i}`));
  if (count > MAX_GPUS)
    throw new SwarmtsError('invalid-argument', `invalid Count of a device request: ${count}: use at most ${MAX_GPUS}`);
  return count < 0 ? ['nvidia.com/gpu=all'] : Array.from({ length: count }, (_, i) => `nvidia.com/gpu=${i}`);
}

export function readLog(host: JsonObject): Pick<ContainerCreate, 'log'> {
  const config = host.object('LogConfig');
  return config ? { log: { driver: config.string('Type'), options: config.map('Config') } } : {};
}
