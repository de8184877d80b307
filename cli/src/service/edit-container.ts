/** The container part of a service's spec. Pure. */
import type { ConfigReference, ContainerSpec, DnsConfig, HealthConfig } from '../engine-types.js';
import { CommandError } from '../exit.js';
import { defined, type Edits, editList, editMap, nonEmpty, nonEmptyMap, type Scalars } from './edit.js';
import { capability, parseHostEntry, RESET } from './flag-values.js';

const envKey = (e: string): string => e.split('=')[0] ?? e;
const same = (s: string): string => s;

export function editContainer(old: ContainerSpec, e: Edits): ContainerSpec {
  const { scalars: f, add, remove } = e;
  return defined({
    ...old,
    Labels: nonEmptyMap(editMap(old.Labels, add['container-label'], remove['container-label'])),
    Command: f.entrypoint ?? old.Command,
    Hostname: f.hostname ?? old.Hostname,
    Env: nonEmpty(editList(old.Env, add.env, remove.env, envKey)),
    Dir: f.workdir ?? old.Dir,
    User: f.user ?? old.User,
    Groups: nonEmpty(editList(old.Groups, add.group, remove.group, same)),
    TTY: f.tty ?? old.TTY,
    ReadOnly: f['read-only'] ?? old.ReadOnly,
    Init: f.init ?? old.Init,
    StopSignal: f['stop-signal'] ?? old.StopSignal,
    StopGracePeriod: f['stop-grace-period'] ?? old.StopGracePeriod,
    Mounts: nonEmpty(editList(old.Mounts, checkMounts(add.mount), remove.mount, (m) => m.Target ?? '')),
    Secrets: nonEmpty(
      editList(old.Secrets, add.secret, [], (s) => s.File?.Name ?? s.SecretName)
        .filter((s) => !remove.secret.includes(s.SecretName))
        .map(({ Env: _, ...s }) => s),
    ),
    Configs: nonEmpty(editConfigs(old.Configs, e)),
    Privileges: e.credentialSpec ? { ...old.Privileges, CredentialSpec: e.credentialSpec.spec } : old.Privileges,
    Isolation: f.isolation ?? old.Isolation,
    Hosts: nonEmpty(editHosts(old.Hosts, e)),
    DNSConfig: editDns(old.DNSConfig, e),
    Sysctls: nonEmptyMap(editMap(old.Sysctls, add.sysctl, remove.sysctl)),
    Ulimits: nonEmpty(editList(old.Ulimits, add.ulimit, remove.ulimit, (u) => u.Name)),
    OomScoreAdj: f['oom-score-adj'] ?? old.OomScoreAdj,
    Healthcheck: editHealth(old.Healthcheck, f),
    ...editCapabilities(old, f),
  });
}

/** The config of a credential spec is one without a file. */
function editConfigs(old: readonly ConfigReference[] | undefined, e: Edits): ConfigReference[] {
  const kept = (old ?? []).filter(
    (c) => !e.remove.config.includes(c.ConfigName) && !(e.credentialSpec && c.Runtime !== undefined),
  );
  const files = editList(kept, e.add.config, [], (c) => c.File?.Name ?? `\0${c.ConfigName}`);
  return e.credentialSpec?.config ? [...files, e.credentialSpec.config] : files;
}

function checkMounts<T extends { readonly Target?: string }>(mounts: readonly T[]): readonly T[] {
  const seen = new Set<string>();
  for (const { Target: target = '' } of mounts) {
    if (seen.has(target)) throw new CommandError(`duplicate mount target: ${target}`);
    seen.add(target);
  }
  return mounts;
}

/** `--host-rm` names a host, or host:ip for one of its addresses. */
function editHosts(old: readonly string[] | undefined, { add, remove }: Edits): string[] {
  const gone = (entry: string): boolean =>
    remove.host.some((r) => (r.includes(':') ? entry === parseHostEntry(r) : entry.split(/\s+/).slice(1).includes(r)));
  return editList(
    (old ?? []).filter((h) => !gone(h)),
    add.host,
    [],
    same,
  );
}

function editDns(old: DnsConfig | undefined, { add, remove }: Edits): DnsConfig | undefined {
  const dns = defined({
    Nameservers: nonEmpty(editList(old?.Nameservers, add.dns, remove.dns, same)),
    Search: nonEmpty(editList(old?.Search, add['dns-search'], remove['dns-search'], same)),
    Options: nonEmpty(editList(old?.Options, add['dns-option'], remove['dns-option'], same)),
  });
  return Object.keys(dns).length === 0 ? undefined : dns;
}

function editHealth(old: HealthConfig | undefined, f: Scalars): HealthConfig | undefined {
  const given = defined({
    Test: f['health-cmd'] === undefined ? undefined : f['health-cmd'] === '' ? [] : ['CMD-SHELL', f['health-cmd']],
    Interval: f['health-interval'],
    Timeout: f['health-timeout'],
    Retries: f['health-retries'],
    StartPeriod: f['health-start-period'],
    StartInterval: f['health-start-interval'],
  });
  const any = Object.keys(given).length > 0;
  if (f['no-healthcheck']) {
    if (any) throw new CommandError('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return old;
  const kept = old?.Test?.[0] === 'NONE' ? { ...old, Test: [] } : old;
  return { ...kept, ...given };
}

/**
 * What is added wins over what is dropped. A capability that was dropped is, when added, no longer dropped, and only when added
 * once more added; the other way round likewise. RESET empties the list first, and beside ALL nothing else is kept. As Docker.
 */
function editCapabilities(old: ContainerSpec, f: Scalars): Pick<ContainerSpec, 'CapabilityAdd' | 'CapabilityDrop'> {
  const [plus, minus] = [new Set(f['cap-add']), new Set(f['cap-drop'])];
  const added = new Set(plus.delete(RESET) ? [] : old.CapabilityAdd?.map(capability));
  const dropped = new Set(minus.delete(RESET) ? [] : old.CapabilityDrop?.map(capability));
  for (const c of minus) if (!plus.has(c) && !added.delete(c)) dropped.add(c);
  for (const c of plus) if (!dropped.delete(c)) added.add(c);
  return { CapabilityAdd: capabilityList(added), CapabilityDrop: capabilityList(dropped) } as Pick<
    ContainerSpec,
    'CapabilityAdd' | 'CapabilityDrop'
  >;
}

const capabilityList = (all: ReadonlySet<string>) => nonEmpty(all.has('ALL') ? ['ALL'] : [...all].sort());
