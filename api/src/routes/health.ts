/** /swarmts/v1/health: of the daemon, for those who watch over it, and of the cluster. */
import { NodeState, Reachability } from '@swarmts/proto';
import type { SwarmBackend } from '../backend.js';
import { json } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

export function healthRoutes({ backend }: RouteContext): Route[] {
  return [
    route('GET', '/swarmts/v1/health', async () => json(await clusterHealth(backend.swarm))),
    route('GET', '/swarmts/v1/health/live', async () => json({ Status: 'live' })),
    route('GET', '/swarmts/v1/health/ready', async () => {
      const checks = await backend.system.readiness();
      const ready = checks.every((c) => c.ok);
      const Checks = checks.map((c) => ({ Name: c.name, OK: c.ok, Detail: c.detail }));
      return json({ Status: ready ? 'ready' : 'not ready', Checks }, ready ? 200 : 503);
    }),
  ];
}

/** Throws 'not-a-manager' and 'no-leader': without a leader nobody knows. */
async function clusterHealth(swarm: SwarmBackend): Promise<Record<string, unknown>> {
  const [nodes, services] = await Promise.all([swarm.nodes(), swarm.services({ withCounts: true })]);
  const managers = nodes.filter((n) => n.managerStatus);
  const reachable = managers.filter((n) => n.managerStatus?.reachability === Reachability.REACHABLE).length;
  const majority = Math.floor(managers.length / 2) + 1;
  const down = nodes.filter((n) => n.status?.state !== NodeState.NODE_READY);
  const short = services.filter((s) => !s.service.jobStatus && s.runningTasks < s.desiredTasks);
  const healthy = reachable === managers.length && down.length === 0 && short.length === 0;
  return {
    Status: healthy ? 'healthy' : 'degraded',
    Managers: { Total: managers.length, Reachable: reachable, MayFail: Math.max(0, reachable - majority) },
    Nodes: { Total: nodes.length, NotReady: down.map((n) => ({ ID: n.id, Hostname: n.description?.hostname ?? '' })) },
    Services: {
      Total: services.length,
      Short: short.map(({ service, runningTasks, desiredTasks }) => ({
        ID: service.id,
        Name: service.spec?.annotations?.name ?? '',
        RunningTasks: runningTasks,
        DesiredTasks: desiredTasks,
      })),
    },
  };
}
