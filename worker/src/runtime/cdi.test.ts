import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cdiDevices, cdiEdits } from './cdi.js';

const GPU = `
cdiVersion: 0.6.0
kind: vendor.test/gpu
containerEdits: { env: [ALL=1] }
devices:
  - name: one
    containerEdits:
      env: [ONE=1]
      deviceNodes: [{ path: /dev/gpu1, hostPath: /dev/zero, permissions: rw }]
      mounts: [{ hostPath: /usr/lib/gpu, containerPath: /gpu }]
      hooks: [{ hookName: createContainer, path: /bin/true, args: [true], timeout: 3 }]
  - name: two
`.replace('[true]', '["true"]');

describe('devices of the Container Device Interface', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-cdi-'));
    writeFileSync(join(dir, 'gpu.yaml'), GPU);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const gpus = ['vendor.test/gpu=one', 'vendor.test/gpu=two'];

  it('give containers what their files say', () => {
    assert.deepEqual(cdiDevices([dir, join(dir, 'nonexistent')]), { devices: gpus, warnings: [] });
    const edits = cdiEdits(gpus, [dir]);
    assert.deepEqual(edits.env, ['ALL=1', 'ONE=1']);
    assert.deepEqual(edits.rules, [{ allow: true, type: 'c', major: 1, minor: 5, access: 'rw' }]);
    assert.equal(edits.devices[0]?.path, '/dev/gpu1');
    assert.deepEqual(edits.mounts, [
      { destination: '/gpu', type: 'bind', source: '/usr/lib/gpu', options: ['rbind', 'ro', 'nosuid', 'nodev'] },
    ]);
    assert.deepEqual(edits.hooks, { createContainer: [{ path: '/bin/true', args: ['true'], timeout: 3 }] });
  });

  for (const [file, why] of [
    ['x', 'the file has no fields'],
    ['[]', 'the file has no fields'],
    ['{', 'Flow map must end with a }'],
    ['{"devices": []}', 'kind is not a text'],
    ['{"kind": "gpu"}', 'kind is "gpu" and not of the form "vendor.com/class"'],
    ['{"kind": "v.test/x", "devices": {"name": "one"}}', 'devices is not a list'],
    ['{"kind": "v.test/x", "devices": [null]}', 'devices[0] has no fields'],
    ['{"kind": "v.test/x", "devices": [{"name": 1}]}', 'devices[0].name is not a text'],
    ['{"kind": "v.test/x", "containerEdits": 7}', 'containerEdits has no fields'],
    ['{"kind": "v.test/x", "containerEdits": {"env": "A=1"}}', 'containerEdits.env is not a list'],
    ['{"kind": "v.test/x", "containerEdits": {"env": [1]}}', 'containerEdits.env[0] is not a text'],
    [
      '{"kind": "v.test/x", "devices": [{"name": "a", "containerEdits": {"deviceNodes": [{"hostPath": "/dev/x"}]}}]}',
      'devices[0].containerEdits.deviceNodes[0].path is not a text',
    ],
    [
      '{"kind": "v.test/x", "containerEdits": {"mounts": [{"hostPath": "/x", "containerPath": "/x", "options": "ro"}]}}',
      'containerEdits.mounts[0].options is not a list',
    ],
    [
      '{"kind": "v.test/x", "containerEdits": {"hooks": [{"hookName": "later", "path": "/x"}]}}',
      'containerEdits.hooks[0].hookName is "later"',
    ],
  ] as const) {
    it(`leave out ${file}, and say why`, () => {
      const path = join(dir, 'bad.json');
      writeFileSync(path, file);
      const { devices, warnings } = cdiDevices([dir]);
      assert.deepEqual(devices, gpus);
      assert.ok(warnings.length === 1 && warnings[0]?.startsWith(`CDI: ${path} is left out: ${why}`), warnings[0]);
      assert.equal(cdiEdits(gpus, [dir]).env.length, 2);
      assert.throws(
        () => cdiEdits(['v.test/x=a'], [dir]),
        (e: Error) =>
          e.message.startsWith(
            `CDI device injection failed: unresolvable CDI devices v.test/x=a; CDI: ${path} is left out: ${why}`,
          ),
      );
    });
  }

  it('do without a file that is none', () => {
    mkdirSync(join(dir, 'directory.json'));
    assert.match(cdiDevices([dir]).warnings.join(), /directory\.json is left out: EISDIR/);
  });
});
