import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompiledFilters } from './compiled-filters.js';
import type { LinuxSeccomp, OciSpec } from './oci-spec.js';

const DATA = 'run.oci.seccomp_bpf_data';
const profile = (defaultAction = 'SCMP_ACT_ERRNO'): LinuxSeccomp => ({
  defaultAction,
  architectures: [],
  syscalls: [],
});

describe('compiled seccomp filters', () => {
  let state: string;
  let filters: CompiledFilters;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'swarmts-filter-'));
    filters = new CompiledFilters();
  });
  afterEach(() => rmSync(state, { recursive: true }));

  const compiled = (bytes: Buffer) => writeFileSync(join(state, 'seccomp.bpf'), bytes);
  const spec = (seccomp: LinuxSeccomp | undefined, annotations?: Record<string, string>): OciSpec => ({
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, additionalGids: [] },
      args: [],
      env: [],
      cwd: '/',
      capabilities: { bounding: [], effective: [], permitted: [] },
      noNewPrivileges: false,
    },
    root: { path: '/', readonly: false },
    mounts: [],
    ...(annotations ? { annotations } : {}),
    linux: {
      namespaces: [],
      cgroupsPath: '/x',
      resources: { devices: [] },
      sysctl: {},
      maskedPaths: [],
      readonlyPaths: [],
      ...(seccomp ? { seccomp } : {}),
    },
  });
  const dataOf = (s: OciSpec, program = '/usr/bin/crun') => filters.annotate(s, program).annotations?.[DATA];

  it('are given to crun with the same profile, beside other annotations', () => {
    compiled(Buffer.alloc(16, 1));
    filters.learn(spec(profile()), '/usr/bin/crun', state);
    assert.equal(dataOf(spec(profile())), Buffer.alloc(16, 1).toString('base64'));
    assert.equal(filters.annotate(spec(profile(), { a: 'b' }), '/usr/bin/crun').annotations?.a, 'b');
    assert.deepEqual(filters.annotate(spec(profile()), '/usr/bin/crun').linux.seccomp, profile(), 'the profile stays');
    assert.equal(dataOf(spec(profile('SCMP_ACT_ALLOW'))), undefined);
    assert.equal(dataOf(spec(undefined)), undefined);
    assert.equal(dataOf(spec(profile()), '/usr/local/bin/crun'), undefined, 'another program may compile otherwise');
    assert.equal(dataOf(spec(profile()), '/usr/bin/runc'), undefined);
  });

  it('are not learnt from containers with a filter or wishes of their own, and not given to them', () => {
    compiled(Buffer.alloc(16, 2));
    const own = { [DATA]: 'own' };
    filters.learn(spec(profile(), own), '/usr/bin/crun', state);
    filters.learn(spec(profile(), { 'run.oci.seccomp_fail_unknown_syscall': '1' }), '/usr/bin/crun', state);
    assert.equal(dataOf(spec(profile())), undefined);
    filters.learn(spec(profile()), '/usr/bin/crun', state);
    assert.equal(dataOf(spec(profile(), own)), 'own');
  });

  it('are not learnt from what is none', () => {
    filters.learn(spec(profile()), '/usr/bin/crun', state);
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(7)]) {
      compiled(bytes);
      filters.learn(spec(profile()), '/usr/bin/crun', state);
    }
    assert.equal(dataOf(spec(profile())), undefined);
  });

  it('are so many and no more', () => {
    compiled(Buffer.alloc(8, 3));
    for (let i = 0; i <= 64; i++) filters.learn(spec(profile(`action ${i}`)), '/usr/bin/crun', state);
    assert.equal(dataOf(spec(profile('action 0'))), undefined);
    assert.notEqual(dataOf(spec(profile('action 64'))), undefined);
  });
});
