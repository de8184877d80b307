/** The address of --metrics-addr: metrics and health for those who may not use the API. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { HealthCheckResult } from '@swarmts/api';
import { type Logger, SwarmtsError } from '@swarmts/lib';

export interface MetricsSource {
  metrics(): Promise<string>;
  readiness(): Promise<readonly HealthCheckResult[]>;
}

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const MAX_CONNECTIONS = 256;

/** `addr` is host:port or a port. Throws SwarmtsError 'invalid-argument'. */
export function serveMetrics(addr: string, source: MetricsSource, log: Logger): Promise<Server> {
  const { host, port } = parseAddr(addr);
  const server = createServer((request, response) => {
    answer(request.url ?? '/', source, response).catch((e: unknown) => {
      log.error('metrics were not served', { error: e });
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function parseAddr(addr: string): { readonly host: string; readonly port: number } {
  const m = /^(?:\[?([^[\]]*?)\]?:)?(\d{1,5})$/.exec(addr);
  const port = Number(m?.[2]);
  if (!m || port > 65535)
    throw new SwarmtsError('invalid-argument', `invalid --metrics-addr ${addr}: use HOST:PORT, such as 127.0.0.1:9323`);
  return { host: m[1] || '127.0.0.1', port };
}

async function answer(url: string, source: MetricsSource, response: ServerResponse): Promise<void> {
  const send = (status: number, type: string, body: string) =>
    response.writeHead(status, { 'content-type': type }).end(body);
  switch (url.split('?')[0]) {
    case '/metrics':
      send(200, TEXT, await source.metrics());
      return;
    case '/health/live':
      send(200, TEXT, 'ok\n');
      return;
    case '/health/ready': {
      const failed = (await source.readiness()).filter((c) => !c.ok);
      send(failed.length === 0 ? 200 : 503, TEXT, failed.map((c) => `${c.name}: ${c.detail}\n`).join('') || 'ok\n');
      return;
    }
    default:
      send(404, TEXT, 'see /metrics, /health/live and /health/ready\n');
  }
}
