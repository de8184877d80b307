/** Docker's rules for putting a configuration on top of an image's. */
import assert from 'node:assert/strict';
import type { ImageConfig } from '../images/image-api.js';
import type { ContainerConfig, HealthConfig } from './container-config.js';
import { containerConfig } from './engine-bed.js';
import {
  afterProbe,
  initialHealth,
  MAX_HEALTH_LOG,
  nextProbeDelayMs,
  probeCommand,
  withDefaults,
} from './health-state.js';
import { checkName, healthOf, mergeConfig, mountsOf, withTerminal } from './merge-config.js';

const ID = 'abcdef0123456789'.repeat(4);

function merge(config: Partial<ContainerConfig>, image: ImageConfig) {
  const { cmd: _, ...base } = containerConfig('image', []);
  return mergeConfig(ID, { ...base, ...config }, image, 'node1');
}

describe('merging a configuration with an image', () => {
  const image: ImageConfig = {
    Entrypoint: ['/entry'],
    Cmd: ['a', 'b'],
    Env: ['PATH=/img', 'X=1'],
    User: 'u',
    WorkingDir: '/w',
    StopSignal: 'SIGQUIT',
    Labels: { a: 'image', b: 'image' },
  };

  it('combines entrypoint and command', () => {
    const command = (c: Partial<ContainerConfig>) => {
      const m = merge(c, image);
      return [...m.entrypoint, ...m.cmd];
    };
    assert.deepEqual(command({}), ['/entry', 'a', 'b']);
    assert.deepEqual(command({ cmd: ['x'] }), ['/entry', 'x']);
    assert.deepEqual(command({ entrypoint: ['/own'] }), ['/own']);
    assert.deepEqual(command({ entrypoint: ['/own'], cmd: ['x'] }), ['/own', 'x']);
    assert.deepEqual(command({ entrypoint: [''], cmd: ['x'] }), ['x']);
    assert.deepEqual(command({ cmd: [] }), ['/entry', 'a', 'b'], 'an empty list is none');
    assert.deepEqual(command({ entrypoint: [], cmd: [] }), ['a', 'b']);
    assert.throws(() => command({ entrypoint: [''] }), /no command specified/);
    assert.throws(() => merge({}, {}), /no command specified/);
  });

  it('orders, replaces and removes variables', () => {
    assert.deepEqual(merge({ env: ['Y=2', 'X=own', 'HOSTNAME=h'], tty: true }, image).env, [
      'PATH=/img',
      'HOSTNAME=h',
      'Y=2',
      'X=own',
    ]);
    assert.deepEqual(merge({ env: ['PATH'] }, image).env, ['HOSTNAME=abcdef012345', 'X=1']);
    assert.deepEqual(merge({ env: ['A=b=c'] }, { Cmd: ['x'] }).env.at(-1), 'A=b=c');
  });

  it('has a terminal among the variables of processes that have one', () => {
    const own = merge({ tty: true }, image).env;
    const first = ['PATH=/img', 'HOSTNAME=abcdef012345'];
    assert.deepEqual(withTerminal(own, own, true), [...first, 'TERM=xterm', 'X=1']);
    assert.deepEqual(withTerminal([...first, 'TERM=xterm', 'X=1'], own, false), [...first, 'X=1']);
    assert.deepEqual(withTerminal(['TERM=vt100'], ['TERM=vt100'], true), ['TERM=vt100']);
    assert.deepEqual(withTerminal(own, [...own, 'TERM'], true), own, 'it wants none');
  });

  it('takes the rest from the container first', () => {
    const m = merge({ labels: { a: 'own' } }, image);
    assert.deepEqual(
      [m.user, m.workingDir, m.stopSignal, m.labels, m.hostname],
      ['u', '/w', 'SIGQUIT', { a: 'own', b: 'image' }, 'abcdef012345'],
    );
    const own = merge({ user: '5', workingDir: '/o', stopSignal: 'SIGINT', hostname: 'h' }, image);
    assert.deepEqual([own.user, own.workingDir, own.stopSignal, own.hostname], ['5', '/o', 'SIGINT', 'h']);
    assert.equal(merge({}, { Cmd: ['x'] }).stopSignal, 'SIGTERM');
    assert.equal(merge({ workingDir: '/a/./b/../c//' }, image).workingDir, '/a/c');
    assert.throws(() => merge({ workingDir: 'rel' }, image), /needs to be an absolute path/);
  });

  it('adds anonymous volumes for those of the image that nothing covers', () => {
    const mounts = [{ type: 'tmpfs', source: '', target: '/data/', readOnly: false }] as const;
    const all = mountsOf(containerConfig('i', [], { mounts }), { Volumes: { '/data': {}, '/more': {} } });
    assert.deepEqual(
      all.map((m) => [m.type, m.target]),
      [
        ['tmpfs', '/data'],
        ['volume', '/more'],
      ],
    );
    const bad =
      (...targets: string[]) =>
      () =>
        mountsOf(containerConfig('i', [], { mounts: targets.map((target) => ({ ...mounts[0], target })) }), {});
    assert.throws(bad('/a', '/a/'), /Duplicate mount point: \/a/);
    assert.throws(bad('/a/..'), /destination can't be '\/'/);
    assert.throws(bad('rel'), /must be absolute/);
  });

  it('labels volumes for all containers, but for those that nobody named in -v', () => {
    const volume = { type: 'volume', source: 'v', readOnly: false } as const;
    const mounts = [
      { ...volume, target: '/a' },
      { ...volume, target: '/b', mode: 'ro' },
      { ...volume, target: '/c', source: '', mode: '' },
      { ...volume, target: '/d', type: 'bind' },
    ] as const;
    const all = mountsOf(containerConfig('i', [], { mounts }), { Volumes: { '/image': {} } });
    assert.deepEqual(
      all.map((m) => m.mode),
      ['z', 'ro', '', undefined, ''],
    );
  });

  it('knows which names a container may have', () => {
    for (const name of ['ab', 'a.b-c_d', '0x']) checkName(name);
    for (const name of ['', 'a', '-a', 'a b', 'a/b', '../x', 'ä'])
      assert.throws(() => checkName(name), /Invalid container name/);
  });

  it('inherits a health check field by field', () => {
    const zero: HealthConfig = {
      test: [],
      intervalNs: 0,
      timeoutNs: 0,
      startPeriodNs: 0,
      startIntervalNs: 0,
      retries: 0,
    };
    const check: ImageConfig = { Healthcheck: { Test: ['CMD', 'x'], Interval: 5, Retries: 9 } };
    const of = (health?: HealthConfig, img: ImageConfig = check) =>
      healthOf(containerConfig('i', [], health ? { health } : {}), img);
    assert.deepEqual(of(), {
      test: ['CMD', 'x'],
      intervalNs: 5,
      timeoutNs: 0,
      startPeriodNs: 0,
      startIntervalNs: 0,
      retries: 9,
    });
    const inherited = of();
    assert.ok(inherited);
    assert.deepEqual(withDefaults(inherited), { ...inherited, timeoutNs: 30e9, startIntervalNs: 5e9 });
    assert.deepEqual(of({ ...zero, retries: 1 })?.retries, 1);
    assert.equal(of({ ...zero, test: ['NONE'] }), undefined);
    assert.equal(of(undefined, {}), undefined);
  });
});

describe('the health of a container', () => {
  const config: HealthConfig = {
    test: ['CMD', 'x'],
    intervalNs: 10e9,
    timeoutNs: 1e9,
    startPeriodNs: 60e9,
    startIntervalNs: 2e9,
    retries: 2,
  };
  const probe = (exitCode: number, startedAtMs = 100_000) => ({
    exitCode,
    startedAtMs,
    endedAtMs: startedAtMs,
    output: '',
  });
  const after = (...probes: ReturnType<typeof probe>[]) =>
    probes.reduce((s, p) => afterProbe(s, p, config, 0), initialHealth);

  it('needs as many failures in a row as configured', () => {
    assert.equal(after(probe(1)).status, 'starting');
    assert.equal(after(probe(1), probe(1)).status, 'unhealthy');
    assert.equal(after(probe(1), probe(0), probe(1)).status, 'healthy');
    assert.equal(after(probe(1), probe(1), probe(0)).status, 'healthy');
    assert.equal(after(probe(0), probe(-1), probe(-1)).status, 'unhealthy');
  });

  it('forgives failures in the start period until it was healthy once', () => {
    assert.deepEqual(after(probe(1, 1), probe(1, 2), probe(1, 3)).status, 'starting');
    assert.deepEqual(after(probe(0, 1), probe(1, 2), probe(1, 3)).status, 'unhealthy');
    assert.deepEqual(after(probe(1, 59_999), probe(1, 60_000)).failingStreak, 1);
  });

  it('is asked more often while it starts', () => {
    assert.equal(nextProbeDelayMs(initialHealth, config, 0, 1), 2_000);
    assert.equal(nextProbeDelayMs(initialHealth, config, 0, 60_000), 10_000);
    assert.equal(nextProbeDelayMs(after(probe(0, 1)), config, 0, 2), 10_000);
  });

  it('remembers the last probes only', () => {
    assert.equal(after(...Array.from({ length: 9 }, (_, i) => probe(0, i))).log.length, MAX_HEALTH_LOG);
  });

  it('is asked by a command or a shell line', () => {
    assert.deepEqual(probeCommand(['CMD', 'a', 'b'], undefined), ['a', 'b']);
    assert.deepEqual(probeCommand(['CMD-SHELL', 'a b'], undefined), ['/bin/sh', '-c', 'a b']);
    assert.deepEqual(probeCommand(['CMD-SHELL', 'a b'], ['/bin/bash', '-ec']), ['/bin/bash', '-ec', 'a b']);
  });
});
