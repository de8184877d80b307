import assert from 'node:assert/strict';
import { type ProfileFacts, seccompFromProfile } from './seccomp-profile-file.js';

const facts: ProfileFacts = { capabilities: ['CAP_SYS_ADMIN'], architecture: 'amd64', kernel: [6, 1] };
const read = (profile: object) =>
  seccompFromProfile(JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', ...profile }), facts);
const rule = (name: string, more: object = {}) => ({ names: [name], action: 'SCMP_ACT_ALLOW', ...more });

describe('a seccomp profile of a user', () => {
  it('has the rules whose conditions all hold', () => {
    const { syscalls } = read({
      syscalls: [
        rule('always'),
        rule('with-one', { includes: { caps: ['CAP_SYS_ADMIN'] } }),
        rule('with-both', { includes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } }),
        rule('without-any', { excludes: { caps: ['CAP_BPF', 'CAP_SYS_ADMIN'] } }),
        rule('new-kernel', { includes: { minKernel: '6.2' } }),
        rule('here', { includes: { arches: ['arm64', 'amd64'] } }),
      ],
    });
    assert.deepEqual(
      syscalls.flatMap((r) => r.names),
      ['always', 'with-one', 'here'],
    );
  });

  it('keeps what the runtime is told beside them', () => {
    const beside = { flags: ['SECCOMP_FILTER_FLAG_LOG'], listenerPath: '/run/agent', listenerMetadata: 'x' };
    assert.deepEqual(read({ ...beside, syscalls: [] }), {
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: [],
      syscalls: [],
      ...beside,
    });
  });

  for (const [architecture, native] of [
    ['amd64', 'SCMP_ARCH_X86_64'],
    ['arm64', 'SCMP_ARCH_AARCH64'],
    ['riscv64', 'SCMP_ARCH_RISCV64'],
    ['loong64', 'SCMP_ARCH_LOONGARCH64'],
  ] as const) {
    it(`is of ${native} and what goes with it on ${architecture}`, () => {
      const archMap = [
        { architecture: 'SCMP_ARCH_S390X', subArchitectures: ['SCMP_ARCH_S390'] },
        { architecture: native, subArchitectures: ['SCMP_ARCH_ARM'] },
      ];
      const text = JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', archMap });
      assert.deepEqual(seccompFromProfile(text, { ...facts, architecture }).architectures, [native, 'SCMP_ARCH_ARM']);
    });
  }

  it('names calls in one way', () => {
    const both = { name: 'read', names: ['write'], action: 'SCMP_ACT_ALLOW' };
    assert.throws(() => read({ syscalls: [both] }), /both 'name' and 'names' are specified/);
    const { syscalls } = read({ syscalls: [{ name: 'read', action: 'SCMP_ACT_ALLOW' }] });
    assert.deepEqual(syscalls[0]?.names, ['read']);
  });
});
