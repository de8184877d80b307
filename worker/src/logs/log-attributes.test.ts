import assert from 'node:assert/strict';
import { logAttributes } from './log-attributes.js';

describe('what is shown beside the lines of a log', () => {
  const of = (options: Record<string, string>) =>
    logAttributes({
      labels: { team: 'blue', 'com.example.role': 'db' },
      env: ['A_ONE=1', 'A_TWO=x=y', 'EMPTY'],
      options,
    });

  it('are labels and variables by name or by pattern', () => {
    assert.deepEqual(of({ labels: 'team,nope', env: 'A_TWO,EMPTY' }), [
      ['team', 'blue'],
      ['A_TWO', 'x=y'],
      ['EMPTY', ''],
    ]);
    assert.deepEqual(of({ 'labels-regex': '^com\\.', 'env-regex': 'ONE$' }), [
      ['com.example.role', 'db'],
      ['A_ONE', '1'],
    ]);
  });

  it('is nothing unless it was asked for', () => {
    assert.deepEqual(of({}), []);
    assert.deepEqual(of({ 'max-size': '1m' }), []);
  });
});
