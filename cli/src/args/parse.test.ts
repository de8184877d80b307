import assert from 'node:assert/strict';
import fc from 'fast-check';
import { bool, optionalUint, text, texts } from './flag.js';
import { type FlagLookup, parseArguments } from './parse.js';

const flags = {
  detach: bool('', { short: 'd' }),
  quiet: bool('', { short: 'q' }),
  name: text(''),
  env: texts('', { short: 'e' }),
  replicas: optionalUint(''),
} as FlagLookup;
const parse = (argv: string[], interspersed = true) => parseArguments(flags, argv, { interspersed });

describe('the argument parser', () => {
  it('takes long flags with and without =', () => {
    assert.equal(parse(['--name=a=b']).values.name, 'a=b');
    assert.equal(parse(['--name', '--quiet']).values.name, '--quiet');
  });

  it('takes booleans alone or with =, never the next word', () => {
    assert.deepEqual(parse(['--detach', 'false']).args, ['false']);
    assert.equal(parse(['--detach=false']).values.detach, false);
  });

  it('takes combined shorts, the last of which may have a value', () => {
    for (const argv of [['-dqe', 'A=1'], ['-dqeA=1'], ['-dqe=A=1']]) {
      const { values } = parse(argv);
      assert.deepEqual([values.detach, values.quiet, values.env], [true, true, ['A=1']]);
    }
  });

  it('collects repeated flags in order', () => {
    assert.deepEqual(parse(['-e', 'A=1', 'x', '--env', 'B=2']).values.env, ['A=1', 'B=2']);
  });

  it('finds flags between arguments, unless the command stops at the first one', () => {
    assert.deepEqual(parse(['a', '-d', 'b']).args, ['a', 'b']);
    const stopped = parse(['-d', 'image', '-q', '--name'], false);
    assert.deepEqual([stopped.args, stopped.values.quiet], [['image', '-q', '--name'], false]);
  });

  it('leaves everything after -- alone', () => {
    assert.deepEqual(parse(['--', '-d', '--nope']).args, ['-d', '--nope']);
  });

  it('speaks as pflag does', () => {
    const says = (argv: string[], message: string) => assert.throws(() => parse(argv), { message });
    says(['--nope'], 'unknown flag: --nope');
    says(['-dx'], "unknown shorthand flag: 'x' in -dx");
    says(['--name'], 'flag needs an argument: --name');
    says(['-e'], "flag needs an argument: 'e' in -e");
    says(['--=x'], 'bad flag syntax: --=x');
    says(
      ['--replicas=-1'],
      'invalid argument "-1" for "--replicas" flag: strconv.ParseUint: parsing "-1": invalid syntax',
    );
    says(
      ['--detach=maybe'],
      'invalid argument "maybe" for "-d, --detach" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    );
  });

  it('does not take names of Object.prototype for flags', () => {
    assert.throws(() => parse(['--constructor=x']), { message: 'unknown flag: --constructor' });
  });

  it('gives back every value that is written with =', () => {
    fc.assert(fc.property(fc.string(), (value) => parse([`--name=${value}`]).values.name === value));
  });
});
