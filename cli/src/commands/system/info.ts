/** `swarmts info`: the daemon, its machine and its part in the swarm. */
import { text } from '../../args/flag.js';
import { formatDuration } from '../../args/quantity.js';
import { defineCommand, noArguments } from '../../command.js';
import type { ExternalCA, Info, SwarmInfo } from '../../engine-types.js';
import { renderInspect } from '../../format/inspect-output.js';
import { binarySize } from '../../format/size.js';

export const command = defineCommand({
  synopsis: '',
  flags: { format: text("Format output using a custom template: 'json' or a Go template", { short: 'f' }) },
  arity: noArguments,
  async run(ctx, f) {
    const info = await ctx.api.get<Info>('/info');
    if (f.format !== '') {
      ctx.out.write(renderInspect([info], f));
      return;
    }
    ctx.out.write(`Client:\n Version:    ${ctx.version}\n\nServer:\n${serverText(info)}`);
    for (const w of info.Warnings ?? []) ctx.err.write(`${w}\n`);
  },
});

type Line = readonly [key: string, value: string | number | undefined];

function indent(lines: readonly Line[], depth: number): string {
  return lines
    .filter(([, v]) => v !== undefined && v !== '')
    .map(([k, v]) => `${' '.repeat(depth)}${k}: ${v}\n`)
    .join('');
}

export function serverText(i: Info): string {
  return (
    indent([['Containers', i.Containers ?? 0]], 1) +
    indent(
      [
        ['Running', i.ContainersRunning ?? 0],
        ['Paused', i.ContainersPaused ?? 0],
        ['Stopped', i.ContainersStopped ?? 0],
      ],
      2,
    ) +
    indent(
      [
        ['Images', i.Images ?? 0],
        ['Server Version', i.ServerVersion],
        ['Storage Driver', i.Driver],
        ['Logging Driver', i.LoggingDriver],
        ['Cgroup Driver', i.CgroupDriver],
        ['Cgroup Version', i.CgroupVersion],
      ],
      1,
    ) +
    swarmText(i.Swarm ?? {}) +
    indent(
      [
        ['Runtimes', Object.keys(i.Runtimes ?? {}).join(' ')],
        ['Default Runtime', i.DefaultRuntime],
        ['Kernel Version', i.KernelVersion],
        ['Operating System', i.OperatingSystem],
        ['OSType', i.OSType],
        ['Architecture', i.Architecture],
        ['CPUs', i.NCPU],
        ['Total Memory', i.MemTotal === undefined ? undefined : binarySize(i.MemTotal)],
        ['Name', i.Name],
        ['ID', i.ID],
        ['Docker Root Dir', i.DockerRootDir],
      ],
      1,
    )
  );
}

function externalCasText(all: readonly ExternalCA[]): string {
  const lines = all.map((c) => `     ${c.Protocol}: ${c.URL}\n`);
  return lines.length === 0 ? '' : `  CA Configuration:\n   External CAs:\n${lines.join('')}`;
}

function swarmText(s: SwarmInfo): string {
  const state = s.LocalNodeState ?? 'inactive';
  const head = ` Swarm: ${state}\n`;
  if (state === 'inactive' || state === 'locked') return head;
  const c = s.Cluster;
  const heartbeat = c?.Spec?.Dispatcher?.HeartbeatPeriod;
  const expiry = c?.Spec?.CAConfig?.NodeCertExpiry;
  const managerLines: Line[] = s.ControlAvailable
    ? [
        ['ClusterID', c?.ID],
        ['Managers', s.Managers],
        ['Nodes', s.Nodes],
        ['Default Address Pool', c?.DefaultAddrPool?.join('  ')],
        ['SubnetSize', c?.SubnetSize],
        ['Data Path Port', c?.DataPathPort],
        ['Task History Retention Limit', c?.Spec?.Orchestration?.TaskHistoryRetentionLimit],
        ['Snapshot Interval', c?.Spec?.Raft?.SnapshotInterval],
        ['Heartbeat Period', heartbeat === undefined ? undefined : formatDuration(heartbeat)],
        ['Node Certificate Expiry', expiry === undefined ? undefined : formatDuration(expiry)],
        ['Autolock Managers', String(c?.Spec?.EncryptionConfig?.AutoLockManagers ?? false)],
      ]
    : [];
  const managers = (s.RemoteManagers ?? []).map((m) => m.Addr).sort();
  return (
    head +
    indent(
      [
        ['NodeID', s.NodeID],
        ['Error', s.Error],
        ['Is Manager', String(s.ControlAvailable ?? false)],
      ],
      2,
    ) +
    indent(managerLines, 2) +
    (s.ControlAvailable ? externalCasText(c?.Spec?.CAConfig?.ExternalCAs ?? []) : '') +
    indent([['Node Address', s.NodeAddr]], 2) +
    (managers.length === 0 ? '' : `  Manager Addresses:\n${managers.map((a) => `   ${a}\n`).join('')}`)
  );
}
