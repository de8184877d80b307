/** Requests that nobody sends on purpose, from a seed: routes with odd names, queries and bodies; cut off, pipelined and malformed. */
import type { Random } from '@swarmts/lib';

export interface FuzzCase {
  /** In the order of sending; between two parts the client waits for a moment. */
  readonly parts: readonly Buffer[];
  /** Methods of the requests, as far as they are whole; HEAD is answered without a body. */
  readonly methods: readonly string[];
  /** The first request is whole, and must be answered. */
  readonly mustAnswer: boolean;
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'];
const NAMES = [
  ...[
    'web',
    'web.1.task',
    'self',
    'alpine:3',
    'x',
    'a'.repeat(300),
    '%2e%2e',
    '..',
    '%00',
    '%FF',
    '%E0%A4%A',
    '-',
    '*',
  ],
  ...['__proto__', 'constructor', '😀', 'a%2Fb', 'a b', ';', '\\', '"', '0', '-1', '1e999', 'sha256:zz', '[::]', '%25'],
];
const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 1.5, 1e308, -1e308, 2 ** 53, '', 'a', '0', '-1', '\u0000', '../../etc/passwd', '😀'],
  ...['x'.repeat(10_000), [], {}, [null], [[]], [{}], { a: null }, { '': '' }, ['', ''], [1, 'a']],
];
const FIELDS = [
  ...[
    'Name',
    'Image',
    'Labels',
    'Env',
    'Cmd',
    'Entrypoint',
    'HostConfig',
    'NetworkingConfig',
    'ExposedPorts',
    'Volumes',
  ],
  ...[
    'Binds',
    'Mounts',
    'PortBindings',
    'RestartPolicy',
    'Memory',
    'NanoCpus',
    'Ulimits',
    'Healthcheck',
    'TaskTemplate',
  ],
  ...[
    'ContainerSpec',
    'Mode',
    'Replicated',
    'Replicas',
    'EndpointSpec',
    'Ports',
    'Networks',
    'UpdateConfig',
    'Placement',
  ],
  ...[
    'Constraints',
    'Preferences',
    'Resources',
    'Limits',
    'Secrets',
    'Configs',
    'Data',
    'Spec',
    'Driver',
    'IPAM',
    'Config',
  ],
  ...['Subnet', 'Options', 'DriverOpts', 'Availability', 'Role', 'RemoteAddrs', 'JoinToken', 'ListenAddr', 'Container'],
  ...['AttachStdin', 'Tty', 'Detach', 'ConsoleSize', 'LogConfig', 'Type', 'Source', 'Target', 'Expiry', 'CAConfig'],
];
const QUERIES = [
  ...[
    'filters',
    'all',
    'limit',
    'size',
    'since',
    'until',
    'tail',
    'follow',
    'stdout',
    'stderr',
    'timestamps',
    'force',
    'v',
  ],
  ...[
    'version',
    'name',
    'platform',
    'signal',
    't',
    'h',
    'w',
    'path',
    'noOverwriteDirNonDir',
    'stream',
    'one-shot',
    'fromImage',
  ],
  ...[
    'fromSrc',
    'repo',
    'tag',
    'detachKeys',
    'condition',
    'ps_args',
    'registryAuthFrom',
    'rollback',
    'remote',
    'dockerfile',
  ],
];
const FILTERS = [
  'id',
  'name',
  'label',
  'status',
  'type',
  'event',
  'dangling',
  'reference',
  'driver',
  'role',
  'desired-state',
  'no',
];

/** `patterns` are method and path of the routes. */
export class RequestFuzzer {
  readonly #random: Random;
  readonly #patterns: readonly string[];

  constructor(random: Random, patterns: readonly string[]) {
    this.#random = random;
    this.#patterns = patterns;
  }

  next(): FuzzCase {
    const kind = this.#random();
    if (kind < 0.55) return whole([this.#request()]);
    if (kind < 0.7) return whole(Array.from({ length: 2 + this.#below(4) }, () => this.#request()));
    if (kind < 0.85) return this.#cut(this.#request());
    return this.#malformed();
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  #pick<T>(items: readonly T[]): T {
    // Callers give lists that are not empty.
    return items[this.#below(items.length)] as T;
  }

  #request(): Request {
    const [method = 'GET', pattern = '/'] = this.#pick(this.#patterns).split(' ');
    const path = pattern.replaceAll(/\{[^}]+\}/g, () => encodeSome(this.#pick(NAMES)));
    const prefix = this.#pick([
      '',
      '',
      '/v1.43',
      '/v1.24',
      '/v1.41',
      '/v1.55',
      '/v9.9',
      '/v1',
      '//',
      '/v1.43/.',
      '/x/..',
    ]);
    const verb = this.#random() < 0.1 ? this.#pick(METHODS) : method;
    const body = this.#random() < 0.7 && method !== 'GET' && method !== 'HEAD' ? this.#body() : Buffer.alloc(0);
    return { method: verb, head: this.#head(verb, `${prefix}${path}${this.#query()}`, body), body };
  }

  #head(method: string, target: string, body: Buffer): string {
    const headers = ['Host: docker', `Content-Length: ${body.length}`];
    if (this.#random() < 0.5)
      headers.push(`Content-Type: ${this.#pick(['application/json', 'text/plain', 'application/x-tar', ''])}`);
    if (this.#random() < 0.1)
      headers.push('Connection: Upgrade', `Upgrade: ${this.#pick(['tcp', 'websocket', 'h2c'])}`);
    if (this.#random() < 0.1)
      headers.push(`X-Registry-Auth: ${this.#pick(['e30=', '!!', 'bnVsbA==', 'eyJ4IjoxfQ=='])}`);
    if (this.#random() < 0.05) headers.push('Expect: 100-continue');
    return `${method} ${target} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
  }

  #query(): string {
    const pairs = Array.from({ length: this.#below(4) }, () => {
      const name = this.#pick(QUERIES);
      const value =
        name === 'filters' ? this.#filters() : String(this.#pick([...VALUES, 'true', '1', '10', '2026-01-01']));
      return `${name}=${encodeURIComponent(value)}`;
    });
    return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
  }

  #filters(): string {
    const value = this.#pick([['x'], { x: true }, 'x', 1, null, [1], {}, ['running', '']]);
    return this.#random() < 0.2
      ? this.#pick(['{', '[]', 'null', '1', ''])
      : JSON.stringify({ [this.#pick(FILTERS)]: value });
  }

  #body(): Buffer {
    const kind = this.#random();
    if (kind < 0.1) return Buffer.from(Array.from({ length: this.#below(600) }, () => this.#below(256)));
    if (kind < 0.2) return Buffer.from(JSON.stringify(this.#pick(VALUES)));
    const text = Buffer.from(JSON.stringify(this.#object(0)));
    return kind < 0.3 ? text.subarray(0, this.#below(text.length)) : text;
  }

  #object(depth: number): Record<string, unknown> {
    const fields = Array.from({ length: 1 + this.#below(6) }, () => {
      const nested = depth < 4 && this.#random() < 0.5;
      const value = nested ? this.#object(depth + 1) : this.#pick(VALUES);
      return [this.#pick(FIELDS), nested && this.#random() < 0.3 ? [value] : value];
    });
    return Object.fromEntries(fields);
  }

  /** In two parts of which the second comes late, or never. */
  #cut(r: Request): FuzzCase {
    const bytes = bytesOf(r);
    const at = this.#below(bytes.length);
    const late = this.#random() < 0.5;
    const parts = late ? [bytes.subarray(0, at), bytes.subarray(at)] : [bytes.subarray(0, at)];
    return { parts, methods: [r.method], mustAnswer: late };
  }

  #malformed(): FuzzCase {
    const r = this.#request();
    // HEAD would leave open whether its method was understood, and with it whether the answer has a body.
    const head = (headers: string) =>
      `${r.method === 'HEAD' ? 'GET' : r.method} /info HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
    const text = this.#pick([
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      head('X: \u0000\r\n'),
      `${head('Transfer-Encoding: chunked\r\n')}zz\r\n`,
      `${head('Transfer-Encoding: chunked\r\n')}5\r\nab`,
      `${head('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n')}abc`,
      head('Content-Length: -1\r\n'),
      head('Content-Length: 5\r\nContent-Length: 6\r\n'),
      head(`X: ${'y'.repeat(2_000_000)}\r\n`),
      'POST /exec/x/start HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /containers/web/attach HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n',
      'GET /containers/web/attach/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      '\u0016\u0003\u0001\u0002\u0000',
      '\r\n\r\n\r\n',
      'GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
      'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n',
    ]);
    return { parts: [Buffer.from(text, 'latin1')], methods: [], mustAnswer: false };
  }
}

interface Request {
  readonly method: string;
  readonly head: string;
  readonly body: Buffer;
}

const bytesOf = (r: Request) => Buffer.concat([Buffer.from(r.head), r.body]);

function whole(requests: readonly Request[]): FuzzCase {
  return { parts: [Buffer.concat(requests.map(bytesOf))], methods: requests.map((r) => r.method), mustAnswer: true };
}

/** What a path cannot hold in HTTP is escaped; what is escaped already stays. */
function encodeSome(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : encodeURIComponent(name);
}
