import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import {
  extensionProblem,
  extensionsOf,
  preferLocalPorts,
  readContainerExtensions,
  readExtensions,
} from './service-extensions.js';

describe('extensions of services', () => {
  it('have defaults', () => {
    assert.deepEqual(readExtensions({ other: 'x' }), {
      progressDeadlineMs: 600_000,
      rebalance: false,
      pinVolumes: false,
    });
    const nothing = {
      privileged: false,
      hostIds: false,
      shmSizeBytes: 0,
      devices: [],
      cdiDevices: [],
      security: {},
      hostIps: {},
      secretEnv: {},
    };
    assert.deepEqual(readContainerExtensions({}), nothing);
  });

  it('are read from labels', () => {
    const labels = {
      'swarmts.update.progress-deadline': '30s',
      'swarmts.schedule': '0 3 * * *',
      'swarmts.schedule.timezone': 'Europe/Berlin',
      'swarmts.schedule.concurrency': 'replace',
      'swarmts.autoscale': 'min=2, max=20,cpu=60%,memory=70,up=1s',
      'swarmts.rebalance': 'auto',
      'swarmts.volumes.pin': 'true',
    };
    assert.deepEqual(readExtensions(labels), {
      progressDeadlineMs: 30_000,
      schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin', concurrency: 'replace' },
      autoscale: { min: 2, max: 20, cpuPercent: 60, memoryPercent: 70, upWindowMs: 1000, downWindowMs: 300_000 },
      rebalance: true,
      pinVolumes: true,
    });
    const container = readContainerExtensions({
      'swarmts.privileged': 'true',
      'swarmts.userns': 'host',
      'swarmts.shm-size': '64m',
      'swarmts.devices': '/dev/a,/dev/b:r, /dev/c:/dev/d:rw',
      'swarmts.gpus': '2',
      'swarmts.security-opt': 'no-new-privileges,apparmor=x',
      'swarmts.publish.host-ip': '80=127.0.0.1,53/udp=::1',
      'swarmts.secrets.env': 'DB_PASSWORD=db,API=api.key',
    });
    assert.deepEqual(container, {
      privileged: true,
      hostIds: true,
      shmSizeBytes: 64 * 1024 * 1024,
      devices: [
        { hostPath: '/dev/a', containerPath: '/dev/a', permissions: 'rwm' },
        { hostPath: '/dev/b', containerPath: '/dev/b', permissions: 'r' },
        { hostPath: '/dev/c', containerPath: '/dev/d', permissions: 'rw' },
      ],
      cdiDevices: ['nvidia.com/gpu=0', 'nvidia.com/gpu=1'],
      security: { noNewPrivileges: true, apparmorProfile: 'x' },
      hostIps: { '80/tcp': '127.0.0.1', '53/udp': '::1' },
      secretEnv: { DB_PASSWORD: 'db', API: 'api.key' },
    });
  });

  it('name ports with or without a protocol', () => {
    const labels = { 'swarmts.publish.prefer-local': '80, 53/udp' };
    assert.deepEqual([...preferLocalPorts(labels)], ['80/tcp', '53/udp']);
    assert.deepEqual([...preferLocalPorts({})], []);
  });

  for (const [label, value, message] of [
    ['swarmts.autoscal', 'x', /unknown label swarmts\.autoscal/],
    ['swarmts.update.progress-deadline', 'soon', /progress-deadline=soon/],
    ['swarmts.update.progress-deadline', '0s', /must be positive/],
    ['swarmts.schedule.timezone', 'UTC', /means nothing without swarmts\.schedule/],
    ['swarmts.devices', 'null', /use \/dev\/SOURCE/],
    ['swarmts.devices', '/dev/a:/dev/b:x', /use \/dev\/SOURCE/],
    ['swarmts.gpus', 'many', /use all, a number/],
    ['swarmts.gpus', '99999999', /use all, or at most 128/],
    ['swarmts.security-opt', 'seccomp=none', /seccomp=unconfined/],
    ['swarmts.secrets.env', '1X=db', /VARIABLE=SECRET/],
    ['swarmts.secrets.env', 'X', /VARIABLE=SECRET/],
    ['swarmts.publish.host-ip', '80=here', /PORT\[\/PROTOCOL\]=ADDRESS/],
    ['swarmts.publish.prefer-local', 'http', /use PORT\[\/PROTOCOL\], the port being the target/],
    ['swarmts.publish.prefer-local', '80/icmp', /use PORT\[\/PROTOCOL\]/],
    ['swarmts.rebalance', 'yes', /use auto or off/],
    ['swarmts.privileged', '1', /use true or false/],
    ['swarmts.userns', 'private', /use host$/],
    ['swarmts.shm-size', 'big', /shm-size=big/],
    ['swarmts.autoscale', '', /an empty part/],
    ['swarmts.autoscale', 'min=1,max=2', /at least one of cpu and memory/],
    ['swarmts.autoscale', 'min=3,max=2,cpu=50', /max is below min/],
    ['swarmts.autoscale', 'min=0,max=2,cpu=50', /min must be given/],
    ['swarmts.autoscale', 'min=1,max=2,cpu=0', /cpu must be a percentage/],
    ['swarmts.autoscale', 'min=1,max=2,cpu=5,cpu=6', /cpu=6 is not one of/],
    ['swarmts.autoscale', 'min=1,max=2,gpu=6', /gpu=6 is not one of/],
  ] as const) {
    it(`${label}=${value} is refused with the way out`, () =>
      assert.throws(
        () => readExtensions({ [label]: value }),
        (e) => isSwarmtsError(e, 'invalid-argument') && message.test((e as Error).message),
      ));
  }

  it('of what is stored are read as far as they are understood', () => {
    const labels = {
      'swarmts.of.tomorrow': 'x',
      'swarmts.devices': 'all',
      'swarmts.update.progress-deadline': 'whenever',
      'swarmts.schedule': '0 3 * * *',
      'swarmts.schedule.timezone': 'Mars/Base',
      'swarmts.autoscale': 'min=1,max=2,gpu=60',
      'swarmts.volumes.pin': 'maybe',
      'swarmts.rebalance': 'auto',
    };
    assert.deepEqual(extensionsOf(labels), { progressDeadlineMs: 600_000, rebalance: true, pinVolumes: false });
    assert.match(extensionProblem(labels) ?? '', /unknown label swarmts\.of\.tomorrow/);
    assert.equal(extensionProblem({ 'swarmts.rebalance': 'auto' }), undefined);
  });

  it('refuse a time zone that does not exist', () =>
    assert.throws(
      () => readExtensions({ 'swarmts.schedule': '* * * * *', 'swarmts.schedule.timezone': 'Mars/Base' }),
      /IANA/,
    ));
});
