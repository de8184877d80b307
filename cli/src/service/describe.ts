/** How a service's mode, replicas, ports and image look in lists. Pure. */
import type { PortConfig, Service } from '../engine-types.js';

export function modeName(s: Service): string {
  const m = s.Spec.Mode ?? {};
  if (m.Global) return 'global';
  if (m.ReplicatedJob) return 'replicated job';
  if (m.GlobalJob) return 'global job';
  return 'replicated';
}

export function replicasText(s: Service): string {
  const { RunningTasks: running = 0, DesiredTasks: desired = 0, CompletedTasks: done = 0 } = s.ServiceStatus ?? {};
  const job = s.Spec.Mode?.ReplicatedJob;
  if (job) return `${running}/${desired} (${done}/${job.TotalCompletions ?? 0} completed)`;
  if (s.Spec.Mode?.GlobalJob) return `${running}/${desired} (${done}/${desired + done} completed)`;
  const most = s.Spec.TaskTemplate?.Placement?.MaxReplicas ?? 0;
  const limit = s.Spec.Mode?.Replicated && most > 0 ? ` (max ${most} per node)` : '';
  return `${running}/${desired}${limit}`;
}

/** "*:8080->80/tcp" for each port; neighbours that count up together become one range. */
export function portsText(ports: readonly PortConfig[] | undefined): string {
  const sorted = (ports ?? [])
    .filter((p) => (p.PublishedPort ?? 0) > 0)
    .toSorted(
      (a, b) => (a.Protocol ?? '').localeCompare(b.Protocol ?? '') || (a.PublishedPort ?? 0) - (b.PublishedPort ?? 0),
    );
  const runs: { first: PortConfig; count: number }[] = [];
  for (const p of sorted) {
    const run = runs.at(-1);
    const follows =
      run !== undefined &&
      run.first.Protocol === p.Protocol &&
      p.PublishedPort === (run.first.PublishedPort ?? 0) + run.count &&
      p.TargetPort === (run.first.TargetPort ?? 0) + run.count;
    if (follows) run.count++;
    else runs.push({ first: p, count: 1 });
  }
  return runs
    .map(({ first, count }) => {
      const range = (from: number) => (count === 1 ? `${from}` : `${from}-${from + count - 1}`);
      return `*:${range(first.PublishedPort ?? 0)}->${range(first.TargetPort ?? 0)}/${first.Protocol ?? 'tcp'}`;
    })
    .join(', ');
}

/** The name that people gave: no digest beside a tag, no docker.io/library. */
export function familiarImage(image: string): string {
  const named = image.replace(/^docker\.io\/(library\/)?/, '');
  const at = named.indexOf('@');
  if (at < 0) return named;
  const name = named.slice(0, at);
  return name.lastIndexOf(':') > name.lastIndexOf('/') ? name : named;
}
