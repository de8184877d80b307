/** A service as `service inspect --pretty` shows it. Pure. */
import { formatDuration } from '../args/quantity.js';
import type { ContainerSpec, HealthConfig, Resources, Service, TaskTemplate, UpdateConfig } from '../engine-types.js';
import { prettyTime } from '../format/duration.js';
import { Pretty } from '../format/pretty.js';
import { binarySize } from '../format/size.js';
import { modeName } from './describe.js';

export function prettyService(s: Service): string {
  const p = new Pretty();
  const task = s.Spec.TaskTemplate ?? {};
  p.line('ID', s.ID);
  p.line('Name', s.Spec.Name);
  p.map('Labels', s.Spec.Labels);
  const mode = modeName(s);
  p.line('Service Mode', mode.charAt(0).toUpperCase() + mode.slice(1));
  p.line('Replicas', s.Spec.Mode?.Replicated?.Replicas, 1);
  p.line('Max Concurrent', s.Spec.Mode?.ReplicatedJob?.MaxConcurrent, 1);
  p.line('Total Completions', s.Spec.Mode?.ReplicatedJob?.TotalCompletions, 1);
  updateStatus(p, s);
  const constraints = task.Placement?.Constraints ?? [];
  const spreads = task.Placement?.Preferences ?? [];
  if (constraints.length + spreads.length > 0 || task.Placement?.MaxReplicas) p.heading('Placement');
  if (constraints.length > 0) p.line('Constraints', `[${constraints.join(' ')}]`, 1);
  if (spreads.length > 0)
    p.line('Preferences', spreads.map((x) => `spread=${x.Spread?.SpreadDescriptor}`).join(' '), 1);
  p.line('Max Replicas Per Node', task.Placement?.MaxReplicas || undefined, 1);
  updateConfig(p, 'UpdateConfig', s.Spec.UpdateConfig);
  updateConfig(p, 'RollbackConfig', s.Spec.RollbackConfig);
  container(p, s);
  health(p, task.ContainerSpec?.Healthcheck);
  logDriver(p, task.LogDriver);
  resources(p, 'Reservations', task.Resources?.Reservations);
  resources(p, 'Limits', task.Resources?.Limits);
  const networks = (task.Networks ?? s.Spec.Networks ?? []).map((n) => n.Target);
  if (networks.length > 0) p.line('Networks', networks.join(' '));
  p.line('Endpoint Mode', s.Endpoint?.Spec?.Mode ?? s.Spec.EndpointSpec?.Mode);
  const ports = s.Endpoint?.Ports ?? [];
  if (ports.length > 0) p.heading('Ports');
  for (const port of ports) {
    p.line('PublishedPort', port.PublishedPort, 1);
    p.line('  Protocol', port.Protocol, 1);
    p.line('  TargetPort', port.TargetPort, 1);
    p.line('  PublishMode', port.PublishMode, 1);
  }
  return p.text();
}

function updateStatus(p: Pretty, s: Service): void {
  const u = s.UpdateStatus;
  if (!u?.State) return;
  p.heading('UpdateStatus');
  p.line('State', u.State, 1);
  p.line('Started', prettyTime(u.StartedAt), 1);
  if (u.State === 'completed') p.line('Completed', prettyTime(u.CompletedAt), 1);
  p.line('Message', u.Message, 1);
}

function updateConfig(p: Pretty, title: string, c: UpdateConfig | undefined): void {
  if (!c) return;
  p.heading(title);
  p.line('Parallelism', c.Parallelism, 1);
  p.line('Delay', c.Delay ? formatDuration(c.Delay) : undefined, 1);
  p.line('On failure', c.FailureAction, 1);
  p.line('Monitoring Period', c.Monitor ? formatDuration(c.Monitor) : undefined, 1);
  p.line('Max failure ratio', c.MaxFailureRatio, 1);
  p.line(title === 'UpdateConfig' ? 'Update order' : 'Rollback order', c.Order, 1);
}

function container(p: Pretty, s: Service): void {
  const c = s.Spec.TaskTemplate?.ContainerSpec ?? {};
  p.heading('ContainerSpec');
  p.line('Image', c.Image, 1);
  p.line('Entrypoint', c.Command?.join(' '), 1);
  p.line('Args', c.Args?.join(' '), 1);
  p.line('Env', c.Env?.join(' '), 1);
  p.line('Dir', c.Dir, 1);
  p.line('User', c.User, 1);
  p.line('Init', c.Init, 1);
  confinement(p, c);
  if (c.Mounts && c.Mounts.length > 0) p.heading('Mounts');
  for (const m of c.Mounts ?? []) {
    p.line('Target', m.Target, 1);
    p.line(' Source', m.Source, 1);
    p.line(' ReadOnly', m.ReadOnly ?? false, 1);
    p.line(' Type', m.Type, 1);
  }
  p.line('Secrets', c.Secrets?.map((x) => `${x.SecretName}->${x.File?.Name}`).join(' '));
  p.line('Configs', c.Configs?.map((x) => `${x.ConfigName}->${x.File?.Name}`).join(' '));
}

function confinement(p: Pretty, c: ContainerSpec): void {
  const [added, dropped] = [c.CapabilityAdd ?? [], c.CapabilityDrop ?? []];
  if (added.length + dropped.length > 0) p.heading('Capabilities');
  p.line('Add', added.join(', '), 1);
  p.line('Drop', dropped.join(', '), 1);
  p.map('SysCtls', c.Sysctls);
  p.map('Ulimits', Object.fromEntries((c.Ulimits ?? []).map((u) => [u.Name, `${u.Soft}:${u.Hard}`])));
}

function health(p: Pretty, h: HealthConfig | undefined): void {
  if (!h) return;
  const time = (ns: number | undefined) => (ns ? formatDuration(ns) : undefined);
  p.heading('Healthcheck');
  p.line('Test', h.Test?.join(' '), 1);
  p.line('Interval', time(h.Interval), 1);
  p.line('Timeout', time(h.Timeout), 1);
  p.line('Retries', h.Retries || undefined, 1);
  p.line('StartPeriod', time(h.StartPeriod), 1);
  p.line('StartInterval', time(h.StartInterval), 1);
}

function logDriver(p: Pretty, d: TaskTemplate['LogDriver']): void {
  if (!d) return;
  p.heading('Log Driver');
  p.line('Name', d.Name, 1);
  p.map('LogOpts', d.Options);
}

function resources(p: Pretty, title: string, r: Resources | undefined): void {
  if (!r?.NanoCPUs && !r?.MemoryBytes && !r?.Pids) return;
  p.heading(title);
  p.line('CPU', r.NanoCPUs ? r.NanoCPUs / 1e9 : undefined, 1);
  p.line('Memory', r.MemoryBytes ? binarySize(r.MemoryBytes) : undefined, 1);
  p.line('Pids', r.Pids || undefined, 1);
}
