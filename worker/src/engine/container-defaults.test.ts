import assert from 'node:assert/strict';
import { PLAIN_DEFAULTS, withDefaults, withDnsDefaults } from './container-defaults.js';
import { containerConfig } from './engine-bed.js';

describe('what containers get that do not say otherwise', () => {
  const defaults = {
    log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
    init: true,
    noNewPrivileges: true,
    shmSizeBytes: 1 << 20,
    ulimits: [
      { name: 'nofile', soft: 1, hard: 2 },
      { name: 'nproc', soft: 3, hard: 4 },
    ],
    seccompProfile: '{}',
    ipcMode: 'shareable',
    cgroupnsMode: 'host',
    hostIp: '127.0.0.1',
  };
  const port = { protocol: 'tcp', targetPort: 80, publishedPort: 8080 } as const;

  it('is what the daemon was told', () => {
    const c = withDefaults({ ...containerConfig('image', []), ports: [port] }, defaults, 2);
    assert.deepEqual(c.log, defaults.log);
    assert.deepEqual([c.init, c.noNewPrivileges, c.shmSizeBytes], [undefined, true, 1 << 20]);
    assert.deepEqual([c.seccompProfile, c.ipcMode, c.cgroupnsMode], ['{}', 'shareable', 'host']);
    assert.deepEqual(c.resources.ulimits, defaults.ulimits);
    assert.deepEqual(c.ports, [{ ...port, hostIp: '127.0.0.1' }]);
  });

  it('is no place on the node’s own network where there is none', () => {
    const own = containerConfig('image', []);
    const wish = (target: string) => ({ target, aliases: [], addresses: [] });
    const of = (c: Partial<typeof own>) => {
      const { networkMode, networks, ports } = withDefaults(
        { ...own, networkMode: 'local', ...c },
        { ...PLAIN_DEFAULTS, withoutBridge: true },
        2,
      );
      return [networkMode, networks?.map((n) => n.target), ports.length];
    };
    assert.deepEqual(of({ ports: [port] }), ['none', [], 0]);
    assert.deepEqual(of({ networks: [wish('bridge')] }), ['none', [], 0]);
    assert.deepEqual(of({ networks: [wish('bridge'), wish('back')], ports: [port] }), ['local', ['back'], 1]);
    assert.deepEqual(of({ networkMode: 'host' }), ['host', undefined, 0]);
    assert.deepEqual(of({ networkContainer: 'c' }), ['local', undefined, 0]);
  });

  it('is a namespace of cgroups of one’s own where they are of version 2, unless the daemon was told', () => {
    const own = containerConfig('image', []);
    const modeOf = (c: typeof own, version: 1 | 2, cgroupnsMode = '') =>
      withDefaults(c, { ...PLAIN_DEFAULTS, cgroupnsMode }, version).cgroupnsMode;
    assert.deepEqual([modeOf(own, 1), modeOf(own, 2)], ['host', 'private']);
    assert.deepEqual([modeOf(own, 1, 'private'), modeOf(own, 2, 'host')], ['private', 'host']);
    const privileged = { ...own, privileged: true };
    assert.deepEqual([modeOf(privileged, 1, 'private'), modeOf(privileged, 2)], ['host', 'private']);
    assert.equal(modeOf({ ...privileged, cgroupnsMode: 'private' }, 1), 'private');
  });

  it('is not where the container does', () => {
    const own = {
      ...containerConfig('image', []),
      log: { driver: 'local', options: { 'max-size': '1m' } },
      init: false,
      noNewPrivileges: false,
      shmSizeBytes: 5,
      seccompProfile: '',
      ipcMode: 'host',
      cgroupnsMode: 'private',
      ports: [{ ...port, hostIp: '0.0.0.0' }],
    };
    const limited = { ...own, resources: { ...own.resources, ulimits: [{ name: 'nofile', soft: 7, hard: 7 }] } };
    const c = withDefaults(limited, defaults, 2);
    const { resources, ...rest } = c;
    const { resources: _own, ...wanted } = limited;
    assert.deepEqual(rest, wanted);
    assert.deepEqual(resources.ulimits, [...limited.resources.ulimits, defaults.ulimits[1]]);
    assert.equal(withDefaults({ ...own, seccompUnconfined: true }, defaults, 2).seccompProfile, '');
  });

  it('publishes on the address of the setting where the container is on the node’s own network', () => {
    const hostIp = (...networks: string[]) => {
      const wishes = networks.map((target) => ({ target, aliases: [], addresses: [] }));
      const config = { ...containerConfig('image', []), ports: [port], networks: wishes };
      return withDefaults(config, defaults, 2).ports[0]?.hostIp;
    };
    assert.deepEqual([hostIp('back'), hostIp('back', 'bridge')], [undefined, '127.0.0.1']);
  });

  it('are the options of the default log driver only where it is that driver', () => {
    const log = (driver: string, options: Record<string, string> = {}) =>
      withDefaults({ ...containerConfig('image', []), log: { driver, options } }, defaults, 2).log;
    assert.deepEqual(log('', { 'max-size': '1m' }), {
      driver: 'json-file',
      options: { 'max-size': '1m', 'max-file': '3' },
    });
    assert.deepEqual(log('json-file'), defaults.log);
    assert.deepEqual(log('journald'), { driver: 'journald', options: {} });
  });

  it("is Docker's where nobody says anything", () => {
    const c = withDefaults(containerConfig('image', []), PLAIN_DEFAULTS, 2);
    assert.deepEqual(c.log, { driver: 'json-file', options: {} });
    assert.deepEqual(
      [c.init, c.noNewPrivileges, c.shmSizeBytes, c.seccompProfile],
      [undefined, undefined, undefined, undefined],
    );
  });

  it('are the parts of the name service that the container leaves empty', () => {
    const daemon = { servers: ['192.0.2.1'], search: ['example.org'], options: ['ndots:1'] };
    const own = { servers: ['192.0.2.2'], search: [], options: [] };
    assert.deepEqual(withDnsDefaults(own, daemon), { ...daemon, servers: ['192.0.2.2'] });
    assert.equal(withDnsDefaults(undefined, daemon), daemon);
    assert.equal(withDnsDefaults(own, undefined), own);
  });
});
