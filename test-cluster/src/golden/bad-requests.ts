/** Requests that a daemon has to refuse, outside of a swarm: what dockerd answers is recorded, what we answer is held against it. */
import { callApi } from '../client.js';

export interface BadRequest {
  readonly method: string;
  readonly path: string;
  /** Sent as it is when it is text. */
  readonly body?: unknown;
}

export interface Refusal {
  readonly request: string;
  readonly status: number;
  readonly message: string;
}

const IMAGE = 'registry:5000/busybox';
const get = (path: string): BadRequest => ({ method: 'GET', path });
const post = (path: string, body?: unknown): BadRequest => ({
  method: 'POST',
  path,
  ...(body === undefined ? {} : { body }),
});
const del = (path: string): BadRequest => ({ method: 'DELETE', path });
const create = (o: object, name = '') => post(`/containers/create${name}`, { Image: IMAGE, Cmd: ['true'], ...o });
const host = (o: object) => create({ HostConfig: o });

const containers: readonly BadRequest[] = [
  create({ Image: 'nope:1' }),
  create({ Image: '' }),
  create({ Image: 'UPPER' }),
  create({}, '?name=-bad'),
  create({}, '?name=a'),
  create({ Env: ['=x'] }),
  create({ StopSignal: 'NOPE' }),
  create({ WorkingDir: 'relative' }),
  create({ ExposedPorts: { 'x/tcp': {} } }),
  create({ Healthcheck: { Interval: 1 } }),
  host({ Memory: 1024 }),
  host({ Memory: 8e6, MemorySwap: 7e6 }),
  host({ MemorySwap: 8e6 }),
  host({ NanoCpus: -1 }),
  host({ CpusetCpus: 'x' }),
  host({ RestartPolicy: { Name: 'nope' } }),
  host({ RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } }),
  host({ RestartPolicy: { Name: 'always' }, AutoRemove: true }),
  host({ Binds: ['/a:b:c:d'] }),
  host({ Binds: ['/a:relative'] }),
  host({ Binds: ['/a:/b:nope'] }),
  host({ Mounts: [{ Type: 'nope', Target: '/x' }] }),
  host({ Mounts: [{ Type: 'bind', Source: '/nope-at-all', Target: '/x' }] }),
  host({ Mounts: [{ Type: 'volume', Target: '' }] }),
  host({ PortBindings: { '80/tcp': [{ HostPort: '99999' }] } }),
  host({ PortBindings: { '80/nope': [{ HostPort: '80' }] } }),
  host({ NetworkMode: 'container:nope' }),
  host({ LogConfig: { Type: 'nope' } }),
  host({ Runtime: 'nope' }),
  host({ Ulimits: [{ Name: 'nope', Soft: 1, Hard: 1 }] }),
  host({ IpcMode: 'nope' }),
  host({ PidMode: 'nope' }),
  host({ CapAdd: ['NOPE'] }),
  host({ SecurityOpt: ['nope'] }),
  host({ ShmSize: -1 }),
  host({ OomScoreAdj: 5000 }),
  get('/containers/json?filters={'),
  get('/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D'),
  get('/containers/json?limit=x'),
  get('/containers/nope/json'),
  get('/containers/nope/logs?stdout=1'),
  get('/containers/nope/top'),
  get('/containers/nope/stats?stream=0'),
  get('/containers/nope/archive?path=/x'),
  post('/containers/nope/start'),
  post('/containers/nope/stop'),
  post('/containers/nope/kill?signal=NOPE'),
  post('/containers/nope/rename?name=x'),
  post('/containers/nope/wait'),
  post('/containers/nope/wait?condition=nope'),
  post('/containers/nope/update', {}),
  post('/containers/nope/resize?h=x&w=1'),
  post('/containers/nope/exec', { Cmd: ['true'] }),
  post('/containers/nope/exec', {}),
  post('/exec/nope/start', {}),
  get('/exec/nope/json'),
  del('/containers/nope'),
  post('/containers/create', '{'),
  post('/containers/create', '[]'),
  post('/containers/create', '{"Image": 1}'),
  post('/containers/create', '{"Cmd": {"a": 1}}'),
];

const others: readonly BadRequest[] = [
  get('/images/nope/json'),
  get('/images/nope/history'),
  get('/images/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D'),
  post('/images/nope/tag?repo=x'),
  post('/images/nope/push'),
  post('/images/create?fromImage=UPPER'),
  del('/images/nope'),
  get('/volumes/nope'),
  get('/volumes?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D'),
  post('/volumes/create', { Name: 'a b' }),
  post('/volumes/create', { Name: 'x', Driver: 'nope' }),
  del('/volumes/nope'),
  get('/networks/nope'),
  get('/networks?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D'),
  post('/networks/create', {}),
  post('/networks/create', { Name: 'bridge' }),
  post('/networks/create', { Name: 'host' }),
  post('/networks/create', { Name: 'x', IPAM: { Config: [{ Subnet: 'nope' }] } }),
  post('/networks/nope/connect', { Container: 'x' }),
  post('/networks/nope/disconnect', { Container: 'x' }),
  del('/networks/nope'),
  del('/networks/host'),
  post('/swarm/join', {}),
  post('/swarm/leave'),
  post('/swarm/unlock', { UnlockKey: 'x' }),
  get('/swarm'),
  get('/nodes'),
  get('/tasks'),
  get('/secrets'),
  get('/distribution/UPPER/json'),
  get('/nope'),
  post('/info'),
  get('/v1.99/info'),
  get('/v1.1/info'),
  get('/events?filters={'),
  get('/events?since=nope'),
];

export const badRequests: readonly BadRequest[] = [...containers, ...others];

/** What a daemon says to each. Requests without a version in their path are of the newest one that dockerd 20.10 speaks. */
export async function refusalsOf(socket: string): Promise<readonly Refusal[]> {
  const found: Refusal[] = [];
  for (const { method, path, body } of badRequests) {
    const versioned = /^\/v\d/.test(path) ? path : `/v1.41${path}`;
    const answer = await callApi(socket, method, versioned, body);
    const request = `${method} ${path}${body === undefined ? '' : ` ${typeof body === 'string' ? body : JSON.stringify(body)}`}`;
    found.push({ request, status: answer.status, message: messageIn(answer.body) });
  }
  return found;
}

function messageIn(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && 'message' in value
      ? String(value.message).trim()
      : '(no message)';
  } catch {
    return body.trim();
  }
}
