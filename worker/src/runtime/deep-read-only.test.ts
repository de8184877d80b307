import assert from 'node:assert/strict';
import type { ProcessSpec } from '../helper/helper-api.js';
import { DeepReadOnly } from './deep-read-only.js';

describe('mounts that are read-only with what is below them', () => {
  const support = (answers: Readonly<Record<string, string>>, kernel = '6.1.0-9-amd64') =>
    new DeepReadOnly(async ({ argv }: ProcessSpec) => {
      const stdout = Buffer.from(answers[argv[1] ?? ''] ?? '');
      return { code: 0, signal: '', stdout, stderr: Buffer.alloc(0) };
    }, kernel).isKnownTo('/bin/x');

  it('are known to those that say so, or are new enough', async () => {
    const features = (...mountOptions: string[]) => JSON.stringify({ ociVersionMin: '1.0.0', mountOptions });
    assert.equal(await support({ features: features('ro', 'rro') }), true);
    assert.equal(await support({ features: features('ro') }), false);
    assert.equal(await support({ features: '{}' }), false);
    const crun = (version: string) =>
      support({ features: 'unknown', '--version': `crun version ${version}\ncommit: x\n` });
    assert.deepEqual(
      [await crun('1.8.1'), await crun('1.4'), await crun('1.3'), await crun('0.17')],
      [true, true, false, false],
    );
    assert.equal(await support({ '--version': 'other version 9.9' }), false);
  });

  it('need a kernel that can', async () => {
    const rro = { features: '{"mountOptions":["rro"]}' };
    assert.deepEqual(
      [await support(rro, '5.11.9'), await support(rro, '5.12.0'), await support(rro, '4.19')],
      [false, true, false],
    );
  });

  it('are asked for once, and not known where a program cannot be asked', async () => {
    let count = 0;
    const failing = new DeepReadOnly(async () => {
      count++;
      throw new Error('no such program');
    }, '6.1');
    assert.deepEqual([await failing.isKnownTo('/bin/x'), await failing.isKnownTo('/bin/x')], [false, false]);
    assert.equal(count, 2, 'its features and its version');
  });
});
