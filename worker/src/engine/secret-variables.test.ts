import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { secretVariable } from './secret-variables.js';

describe('a variable that holds a secret', () => {
  const of = (value: string | Buffer) => secretVariable('KEY', '/run/secrets/key', Buffer.from(value));

  it('has its text without the line end at its end', () => {
    assert.equal(of('a\nb\r\n'), 'KEY=a\nb');
    assert.equal(of('a\n\n'), 'KEY=a\n');
  });

  it('is refused with zero bytes in it, naming the file and the variable', () => {
    assert.throws(() => of('a\0b'), /secret at \/run\/secrets\/key has zero bytes: it cannot be the variable KEY/);
  });

  it('may be as long as the kernel takes it, and no longer', () => {
    const value = 'x'.repeat(131_072 - 'KEY='.length - 1);
    assert.equal(of(value), `KEY=${value}`);
    assert.equal(spawnSync('true', { env: { ...process.env, KEY: value } }).status, 0);
    assert.throws(() => of(`${value}x`), /has 131068 bytes, and Linux has room for 131067/);
  });
});
