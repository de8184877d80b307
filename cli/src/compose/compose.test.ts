// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of compose files look like those of template strings.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { dependencyOrder } from './dependencies.js';
import { interpolate } from './interpolate.js';
import { loadProject } from './load.js';
import { merge } from './merge.js';
import type { ComposeProject, ComposeService } from './model.js';
import { parsePort } from './short-port.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'swarmts-compose-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

interface Given {
  readonly env?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
  readonly warnings?: string[];
}

function load(files: string | readonly string[], given: Given = {}): ComposeProject {
  const list = typeof files === 'string' ? [write('compose.yaml', files)] : files;
  return loadProject({
    files: list,
    stdin: '',
    env: given.env ?? {},
    envFiles: [],
    profiles: given.profiles ?? [],
    warn: (m) => given.warnings?.push(m),
  });
}

const web = (p: ComposeProject): ComposeService => p.services.web ?? {};
const fails = (text: string, message: RegExp, given: Given = {}) => assert.throws(() => load(text, given), message);

describe('a compose file', () => {
  it('is read in its short forms as in its long ones', () => {
    const short = web(
      load(`
services:
  web:
    image: nginx
    command: serve --name "a b"
    environment: [A=1, B]
    ports: ["8080:80", "127.0.0.1:53:53/udp", 9000]
    volumes: ["data:/data:ro", "./conf:/conf", /scratch]
    secrets: [key]
    networks: [front]
    depends_on: [db]
    ulimits: {nofile: 1024}
    healthcheck: {test: curl localhost}
    extra_hosts: ["a=1.2.3.4", "b:::1"]
    env_file: vars
  db: {image: postgres}
volumes: {data: }
networks: {front: }
secrets: {key: {file: key.txt}}
`),
    );
    assert.deepEqual(short.command, ['serve', '--name', 'a b']);
    assert.deepEqual(short.environment, { A: '1', B: null });
    assert.deepEqual(
      short.ports?.map((p) => [p.host_ip, p.published, p.target, p.protocol]),
      [
        [undefined, '8080', 80, 'tcp'],
        ['127.0.0.1', '53', 53, 'udp'],
        [undefined, '', 9000, 'tcp'],
      ],
    );
    assert.deepEqual(short.volumes, [
      { type: 'volume', source: 'data', target: '/data', read_only: true },
      { type: 'bind', source: join(dir, 'conf'), target: '/conf', bind: { create_host_path: true } },
      { type: 'volume', target: '/scratch' },
    ]);
    assert.deepEqual(short.secrets, [{ source: 'key' }]);
    assert.deepEqual(short.networks, { front: null });
    assert.deepEqual(short.depends_on, { db: { condition: 'service_started', required: true } });
    assert.deepEqual(short.ulimits, { nofile: { soft: 1024, hard: 1024 } });
    assert.deepEqual(short.healthcheck?.test, ['CMD-SHELL', 'curl localhost']);
    assert.deepEqual(short.extra_hosts, ['a:1.2.3.4', 'b:::1']);
    assert.deepEqual(short.env_file, [{ required: true, path: join(dir, 'vars') }]);
  });

  it('may use anchors, aliases and merge keys', () => {
    const p = load(`
x-base: &base
  image: nginx
  environment: &env {A: "1"}
services:
  web:
    <<: *base
    environment: {<<: *env, B: "2"}
`);
    assert.deepEqual(web(p).environment, { A: '1', B: '2' });
  });

  it('gets its variables from the caller, then from .env, and says what is not set', () => {
    write('.env', 'TAG=from-file\nREPLICAS=3\n');
    const warnings: string[] = [];
    const p = load(
      'services: {web: {image: "nginx:${TAG}", hostname: "$HOST", deploy: {replicas: "${REPLICAS}"}, init: "${INIT:-true}"}}',
      { env: { TAG: 'from-caller' }, warnings },
    );
    assert.equal(web(p).image, 'nginx:from-caller');
    assert.equal(web(p).deploy?.replicas, 3, 'a number where the schema wants one');
    assert.equal(web(p).init, true);
    assert.deepEqual(warnings, ['The "HOST" variable is not set. Defaulting to a blank string.']);
  });

  it('takes modes with a leading zero as octal, as Docker does', () => {
    const modes = (mode: string) =>
      web(
        load(
          `{ services: { web: { image: i, secrets: [{ source: s, mode: ${mode} }] } }, secrets: { s: { file: f } } }`,
        ),
      ).secrets?.[0]?.mode;
    assert.deepEqual(['0440', '0o440', '288', '"0440"', '0800'].map(modes), [288, 288, 288, '0440', 800]);
  });

  it('keeps values as they were written where text is wanted', () => {
    const p = load('services: {web: {image: x, environment: {VERSION: "1.10", ON: yes, N: 1.10, B: true}}}');
    assert.deepEqual(web(p).environment, { VERSION: '1.10', ON: 'yes', N: '1.1', B: 'true' });
  });

  it('may have keys that mean nothing to a cluster', () => {
    const keys = 'models: [m], use_api_socket: true, provider: {type: p}, driver_opts: {a: b}';
    const hooks = 'post_start: [{command: a}], pre_stop: [{command: b}]';
    const p = load(`services: {web: {image: x, ${keys}, ${hooks}}}\nmodels: {m: {model: ai/m}}\n`);
    assert.equal(web(p).image, 'x');
  });

  const badFiles: readonly [string, string, RegExp][] = [
    [
      'a key that does not exist',
      'services:\n  web:\n    image: x\n    imagee: y\n',
      /compose\.yaml:4: services\.web\.imagee is not a known key/,
    ],
    [
      'a wrong type',
      'services:\n  web:\n    image: x\n    deploy:\n      replicas: many\n',
      /:5: services\.web\.deploy\.replicas must be an integer, not "many"/,
    ],
    [
      'a wrong word',
      'services:\n  web:\n    image: x\n    deploy: {update_config: {order: sideways}}\n',
      /:4: .*must be one of start-first, stop-first, not "sideways"/,
    ],
    [
      'a wrong port',
      'services:\n  web:\n    image: x\n    ports:\n      - 80:99999\n',
      /:5: services\.web\.ports\.0: invalid port or range 99999/,
    ],
    [
      'a wrong mount',
      'services:\n  web:\n    image: x\n    volumes:\n      - a:b\n',
      /:5: services\.web\.volumes\.0: .*target b must be an absolute path/,
    ],
    [
      'a duration without a unit',
      'services:\n  web:\n    image: x\n    stop_grace_period: 5\n',
      /compose\.yaml:4: services\.web\.stop_grace_period must be a duration such as 1m30s, not "5"/,
    ],
    [
      'a negative duration',
      'services: {web: {image: x, deploy: {restart_policy: {delay: -1s}}}}',
      /:1: services\.web\.deploy\.restart_policy\.delay must be a duration/,
    ],
    [
      'a size that is none',
      'services: {web: {image: x, deploy: {resources: {limits: {memory: 5zz}}}}}',
      /:1: services\.web\.deploy\.resources\.limits\.memory must be a size such as 64m, not "5zz"/,
    ],
    [
      'CPUs that are none',
      'services: {web: {image: x, deploy: {resources: {limits: {cpus: many}}}}}',
      /limits\.cpus must be a number of CPUs such as 0\.5, not "many"/,
    ],
    [
      'a negative count',
      'services: {web: {image: x, deploy: {update_config: {parallelism: -1}}}}',
      /update_config\.parallelism must be at least 0, not -1/,
    ],
    [
      'a map for a command',
      'services: {web: {image: x, command: {a: b}}}',
      /^\S+ \S+compose\.yaml:1: services\.web\.command must be a list or a string, not \{"a":"b"\}$/,
    ],
    ['a duplicate key', 'services:\n  web: {image: x}\n  web: {image: y}\n', /compose\.yaml:3: .*unique/],
    ['text that is no YAML', 'services: [\n', /compose\.yaml:\d+: /],
    ['a list', '- a\n', /a compose file is a map/],
    [
      'a missing variable that is required',
      'services:\n  web:\n    image: ${IMG:?set it}\n',
      /:3: services\.web\.image: required variable IMG is missing a value: set it/,
    ],
    ['a lonely dollar', 'services:\n  web:\n    image: a$-b\n', /:3: .*invalid interpolation format.*write \$\$/],
    ['no service', 'networks: {a: }\n', /there is no service in it/],
    [
      'a network that is not defined',
      'services: {web: {image: x, networks: [a]}}',
      /uses network a, which is not defined/,
    ],
    [
      'a volume that is not defined',
      'services: {web: {image: x, volumes: ["a:/b"]}}',
      /uses volume a, which is not defined/,
    ],
    [
      'a secret that is not defined',
      'services: {web: {image: x, secrets: [a]}}',
      /uses secret a, which is not defined/,
    ],
    [
      'a dependency that is not defined',
      'services: {web: {image: x, depends_on: [db]}}',
      /web depends on db, which is not defined/,
    ],
    [
      'a circle',
      'services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}',
      /in a circle: a -> b -> a/,
    ],
    [
      'a bomb of aliases',
      `a: &a [x]\n${Array.from(
        { length: 12 },
        (_, i) =>
          `x-${i}: &b${i} [${Array(9)
            .fill(i === 0 ? '*a' : `*b${i - 1}`)
            .join(', ')}]`,
      ).join('\n')}\n`,
      /[Aa]lias/,
    ],
  ];
  for (const [what, text, message] of badFiles)
    it(`is refused with ${what}, and the error says where`, () => fails(text, message));

  it('takes in the services of active profiles only', () => {
    const text = 'services: {web: {image: x}, debug: {image: y, profiles: [dev]}}';
    assert.deepEqual(Object.keys(load(text).services), ['web']);
    assert.deepEqual(Object.keys(load(text, { profiles: ['dev'] }).services), ['web', 'debug']);
    assert.deepEqual(Object.keys(load(text, { profiles: ['*'] }).services), ['web', 'debug']);
  });
});

describe('several compose files', () => {
  it('are merged: maps by key, lists appended, commands replaced, mounts by target', () => {
    const a = write(
      'a.yaml',
      'services: {web: {image: one, command: [a], dns: [1.1.1.1], environment: {A: "1", B: "1"}, volumes: ["x:/data"], ports: ["80:80"]}}\nvolumes: {x: , y: }',
    );
    const b = write(
      'b.yaml',
      'services: {web: {image: two, command: [b, c], dns: [8.8.8.8], environment: [B=2], volumes: ["y:/data"], ports: ["81:80"]}, db: {image: three}}',
    );
    const p = load([a, b]);
    assert.equal(web(p).image, 'two');
    assert.deepEqual(web(p).command, ['b', 'c']);
    assert.deepEqual(web(p).dns, ['1.1.1.1', '8.8.8.8']);
    assert.deepEqual(web(p).environment, { A: '1', B: '2' });
    assert.deepEqual(web(p).volumes, [{ type: 'volume', source: 'y', target: '/data' }]);
    assert.deepEqual(
      web(p).ports?.map((x) => x.published),
      ['80', '81'],
    );
    assert.deepEqual(Object.keys(p.services), ['web', 'db']);
  });

  it('may take values of earlier ones away or replace them', () => {
    const a = write(
      'a.yaml',
      'services: {web: {image: x, ports: ["80:80"], dns: [1.1.1.1], environment: {A: "1", B: "1"}}}',
    );
    const b = write(
      'b.yaml',
      'services:\n  web:\n    ports: !reset []\n    dns: !override [8.8.8.8]\n    environment:\n      A: !reset null\n',
    );
    const p = load([a, b]);
    assert.deepEqual([web(p).ports, web(p).dns, web(p).environment], [undefined, ['8.8.8.8'], { B: '1' }]);
  });

  it('extend services of other files, whose paths are relative to where they stand', () => {
    write(
      'base/common.yaml',
      'services: {app: {image: x, environment: {A: "1"}, env_file: vars, extends: deep}, deep: {image: y, init: true}}',
    );
    const p = load('services: {web: {extends: {file: base/common.yaml, service: app}, environment: {B: "2"}}}');
    assert.deepEqual(web(p).environment, { A: '1', B: '2' });
    assert.deepEqual([web(p).image, web(p).init, web(p).env_file?.[0]?.path], ['x', true, join(dir, 'base', 'vars')]);
  });

  it('are refused when they extend or include each other in a circle, or what is not there', () => {
    fails(
      'services: {web: {extends: db}, db: {image: x, extends: web}}',
      /compose\.yaml:1: .*extend each other in a circle/,
    );
    fails('services: {web: {extends: nobody}}', /service nobody is not in this file/);
    fails('services: {web: {extends: {file: missing.yaml, service: a}}}', /open .*missing\.yaml/);
    fails('include: [compose.yaml]\nservices: {web: {image: x}}', /circle/);
  });

  it('include others with their own folder', () => {
    write('db/db.yaml', 'services: {db: {image: x, volumes: ["./data:/data"]}}');
    const p = load('include: [db/db.yaml]\nservices: {web: {image: y, depends_on: [db]}}');
    assert.equal(p.services.db?.volumes?.[0]?.source, join(dir, 'db', 'data'));
    fails('include: [db/db.yaml]\nservices: {db: {image: y}}', /db is defined here and in an included file/);
  });
});

describe('interpolation', () => {
  const vars: Readonly<Record<string, string>> = { A: 'a', EMPTY: '', B_2: 'b' };
  const cases: readonly [string, string][] = [
    ['$A${A}', 'aa'],
    ['$$A $$', '$A $'],
    ['${NONE:-x}${EMPTY:-x}${EMPTY-x}', 'xx'],
    ['${A:+set}${NONE:+set}${EMPTY:+set}${EMPTY+set}', 'setset'],
    ['${NONE:-${A}-${B_2:-c}}', 'a-b'],
    ['${NONE:-{"k": 1}}', '{"k": 1}'],
    ['${A:?no}', 'a'],
    ['$NONE.', '.'],
  ];
  for (const [text, expected] of cases)
    it(`${text} is ${JSON.stringify(expected)}`, () =>
      assert.equal(
        interpolate(
          text,
          (n) => vars[n],
          () => undefined,
        ),
        expected,
      ));

  it('leaves text without dollars alone, and gives back what was escaped', () => {
    fc.assert(
      fc.property(fc.string(), (s) => {
        assert.equal(
          interpolate(
            s.replaceAll('$', '$$$$'),
            () => 'never',
            () => undefined,
          ),
          s,
        );
      }),
    );
  });
});

describe('merging', () => {
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.integer(),
      fc.uniqueArray(fc.string(), { maxLength: 3 }),
      tie('map'),
    ),
    map: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'command', 'environment'), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  })).map;

  it('with nothing changes nothing, and what comes last is there', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        assert.deepEqual(merge(a, {}), a);
        assert.deepEqual(merge({}, a), a);
        assert.deepEqual(merge(merge(a, b), b), merge(a, b));
      }),
    );
  });
});

describe('ports', () => {
  it('come in ranges', () => {
    assert.deepEqual(
      parsePort('8000-8002:80-82').map((p) => [p.published, p.target]),
      [
        ['8000', 80],
        ['8001', 81],
        ['8002', 82],
      ],
    );
    assert.deepEqual(
      parsePort('3000-3001').map((p) => [p.published, p.target]),
      [
        ['', 3000],
        ['', 3001],
      ],
    );
    for (const one of ['8000-8001:80', { target: 80, published: '8000-8001' }]) {
      const pairs = parsePort(one).map((p) => [p.published, p.target]);
      assert.deepEqual(pairs, [
        ['8000', 80],
        ['8001', 80],
      ]);
    }
    assert.deepEqual(parsePort('[::1]:80:80')[0]?.host_ip, '::1');
  });
  for (const bad of ['', 'x', '80:', '80:80:80:80', '1-3:1-2', '80/icmp', '70000', '3-1'])
    it(`'${bad}' is refused`, () => assert.throws(() => parsePort(bad), /invalid|different/));
});

describe('the order of services', () => {
  it('is after what each depends on, for any graph without circles', () => {
    const graph = fc
      .integer({ min: 1, max: 12 })
      .chain((n) =>
        fc
          .array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 30 })
          .map((edges) => ({ n, edges: edges.filter(([a, b]) => a > b) })),
      );
    fc.assert(
      fc.property(graph, ({ n, edges }) => {
        const services: Record<string, ComposeService> = {};
        for (let i = n - 1; i >= 0; i--) {
          const on = edges
            .filter(([a]) => a === i)
            .map(([, b]) => [`s${b}`, { condition: 'service_started', required: true }]);
          services[`s${i}`] = { depends_on: Object.fromEntries(on) };
        }
        const order = dependencyOrder(services);
        assert.equal(order.length, n);
        for (const [a, b] of edges) assert.ok(order.indexOf(`s${b}`) < order.indexOf(`s${a}`));
      }),
    );
  });
});
