import assert from 'node:assert/strict';
import {
  ContainerSpec,
  Mount,
  MountType,
  type Task,
  TaskSpec,
  Volume,
  VolumeAvailability,
  VolumeInfo,
  VolumePublishState,
  VolumeScope,
  VolumeSharing,
  VolumeSpec,
} from '@swarmts/proto';
import { NodeInfo } from './node-info.js';
import { placeGroup } from './place.js';
import { testNode, testTask } from './testing.js';
import { VolumeSet } from './volume-set.js';

const DRIVER = 'disk.csi';

function nodeWith(id: string, csi: { readonly zone?: string; readonly max?: number } | 'none' = {}): NodeInfo {
  const node = testNode({ id });
  const topology = csi === 'none' || csi.zone === undefined ? undefined : { segments: { zone: csi.zone } };
  const infos = csi === 'none' ? [] : [{ plugin: DRIVER, nodeId: `csi-${id}`, maxVolumes: csi.max ?? 0, topology }];
  return new NodeInfo({ ...node, description: node.description && { ...node.description, csi: infos } });
}

function volume(name: string, spec: Partial<VolumeSpec> = {}, rest: Partial<Volume> = {}): Volume {
  return Volume.create({
    id: `id-${name}`,
    spec: VolumeSpec.create({ annotations: { name, labels: {} }, driver: { name: DRIVER, options: {} }, ...spec }),
    info: VolumeInfo.create({ volumeId: name }),
    ...rest,
  });
}

function taskWith(id: string, ...mounts: readonly Partial<Mount>[]): Task {
  const all = mounts.map((m, i) => Mount.create({ type: MountType.CLUSTER, target: `/d${i}`, ...m }));
  return { ...testTask({ id }), spec: TaskSpec.create({ container: ContainerSpec.create({ mounts: all }) }) };
}

const setOf = (...volumes: readonly Volume[]) => {
  const set = new VolumeSet();
  for (const v of volumes) set.put(v);
  return set;
};
const placedOn = (t: Task, nodeId: string, ...ids: readonly string[]): Task => ({
  ...t,
  nodeId,
  volumes: ids.map((volumeId, i) => ({ volumeId, source: '', target: `/d${i}` })),
});
const onNode = (nodeId: string, state: VolumePublishState = VolumePublishState.PUBLISHED) => ({
  nodeId,
  state,
  publishContext: {},
  message: '',
  csiNodeId: '',
});

function reason(set: VolumeSet, task: Task, node: NodeInfo): string {
  const choice = set.choose(task, node);
  return choice.attachments ? '' : choice.reason;
}

describe('the volumes for a task', () => {
  const task = taskWith('t', { source: 'data' });

  it('are found by name, and none are needed without mounts of type cluster', () => {
    const choice = setOf(volume('data')).choose(task, nodeWith('a'));
    assert.deepEqual(choice.attachments, [{ volumeId: 'id-data', source: 'data', target: '/d0' }]);
    assert.deepEqual(setOf().choose(testTask({ id: 'x' }), nodeWith('a')).attachments, []);
  });

  it('must all be there: one of two is not enough', () => {
    const two = taskWith('t', { source: 'data' }, { source: 'other' });
    assert.match(reason(setOf(volume('data')), two, nodeWith('a')), /there is no volume other/);
  });

  for (const [what, v, node, expected] of [
    ['the node has no plugin', volume('data'), nodeWith('a', 'none'), /no CSI plugin disk\.csi/],
    ['it is not made', volume('data', {}, { info: undefined, message: 'full' }), nodeWith('a'), /not made yet: full/],
    ['it is being deleted', volume('data', {}, { pendingDelete: true }), nodeWith('a'), /being deleted/],
    ['it pauses', volume('data', { availability: VolumeAvailability.VOLUME_PAUSE }), nodeWith('a'), /not available/],
    ['it is on another node', volume('data', {}, { publishStatus: [onNode('b')] }), nodeWith('a'), /on another node/],
    [
      'it is just leaving',
      volume('data', {}, { publishStatus: [onNode('a', VolumePublishState.PENDING_UNPUBLISH)] }),
      nodeWith('a'),
      /being taken from the node/,
    ],
    [
      'the node is not where it is',
      volume('data', {}, { info: VolumeInfo.create({ accessibleTopology: [{ segments: { zone: 'x' } }] }) }),
      nodeWith('a', { zone: 'y' }),
      /cannot be reached/,
    ],
    [
      'it is for readers',
      volume('data', { sharing: VolumeSharing.SHARED_READ_ONLY }),
      nodeWith('a'),
      /only be mounted readonly/,
    ],
  ] as const) {
    it(`are refused when ${what}`, () => assert.match(reason(setOf(v), task, node), expected));
  }

  it('are shared as far as they may be', () => {
    const reader = taskWith('r', { source: 'data', readOnly: true });
    const [a, b] = [nodeWith('a'), nodeWith('b')];
    const shared = (sharing: VolumeSharing) => {
      const set = setOf(volume('data', { sharing, scope: VolumeScope.MULTI_NODE }));
      set.track(placedOn(task, 'a', 'id-data'));
      return set;
    };
    const second = taskWith('t2', { source: 'data' });
    assert.match(reason(shared(VolumeSharing.UNSHARED), second, a), /in use by another task/);
    assert.match(reason(shared(VolumeSharing.SHARED_ONE_WRITER), second, b), /has a writer already/);
    assert.equal(reason(shared(VolumeSharing.SHARED_ONE_WRITER), reader, b), '');
    assert.equal(reason(shared(VolumeSharing.SHARED_BY_ALL), second, b), '');
  });

  it('are read by mounts whose target has a placeholder, too', () => {
    const set = setOf(volume('data', { sharing: VolumeSharing.SHARED_ONE_WRITER, scope: VolumeScope.MULTI_NODE }));
    const reader = taskWith('r', { source: 'data', target: '/d{{.Task.Slot}}', readOnly: true });
    const { attachments = [] } = set.choose(reader, nodeWith('a'));
    set.track({ ...reader, nodeId: 'a', volumes: attachments });
    assert.equal(reason(set, task, nodeWith('b')), '');
  });

  it('are free again when their task has ended', () => {
    const set = setOf(volume('data'));
    const placed = placedOn(task, 'a', 'id-data');
    set.track(placed);
    assert.notEqual(reason(set, taskWith('t2', { source: 'data' }), nodeWith('a')), '');
    set.release(placed);
    assert.equal(reason(set, taskWith('t2', { source: 'data' }), nodeWith('a')), '');
  });

  it('are no more on a node than it can have', () => {
    const set = setOf(volume('one'), volume('two'));
    set.track(placedOn(taskWith('t1', { source: 'one' }), 'a', 'id-one'));
    assert.match(reason(set, taskWith('t2', { source: 'two' }), nodeWith('a', { max: 1 })), /has 1 volumes/);
    assert.equal(reason(set, taskWith('t2', { source: 'two' }), nodeWith('b', { max: 1 })), '');
  });
});

describe('placing tasks with volumes', () => {
  it('gives each task of a service a volume of the group, and says what the others lack', () => {
    const set = setOf(volume('g1', { group: 'g' }), volume('g2', { group: 'g' }), volume('else'));
    const nodes = [nodeWith('a'), nodeWith('b'), nodeWith('c', 'none')];
    const tasks = ['1', '2', '3'].map((id) => taskWith(id, { source: 'group:g' }));
    const assigned = (t: Task, n: NodeInfo): Task => ({
      ...t,
      nodeId: n.id,
      volumes: set.choose(t, n).attachments ?? [],
    });
    const result = placeGroup(tasks, nodes, 0, assigned, set);
    assert.deepEqual(result.placed.map((p) => p.node.id).sort(), ['a', 'b']);
    assert.match(result.explanation, /cannot fulfill requested CSI volume mounts on 3 nodes/);
  });

  it('are refused on the nodes where a placeholder cannot be filled in, and there alone', () => {
    const set = setOf(volume('data'));
    const source = '{{if eq .Node.Hostname "n2"}}{{.Service.Labels.missing}}{{else}}data{{end}}';
    const t = taskWith('t', { source });
    assert.equal(reason(set, t, nodeWith('n1')), '');
    assert.match(reason(set, t, nodeWith('n2')), /expanding template failed/);
  });

  it('fills in placeholders, so that each slot has a volume of its own', () => {
    const set = setOf(volume('data-1'), volume('data-2'));
    const tasks = [1, 2].map((slot) => ({ ...taskWith(`t${slot}`, { source: 'data-{{.Task.Slot}}' }), slot }));
    const chosen: string[] = [];
    const assigned = (t: Task, n: NodeInfo): Task => {
      const volumes = set.choose(t, n).attachments ?? [];
      chosen.push(...volumes.map((v) => v.volumeId));
      return { ...t, nodeId: n.id, volumes };
    };
    placeGroup(tasks, [nodeWith('a')], 0, assigned, set);
    assert.deepEqual(chosen, ['id-data-1', 'id-data-2']);
  });
});
