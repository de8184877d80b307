import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { checkLogOptions, rotationOf } from './log-options.js';

describe('the options of log drivers', () => {
  const refused = (driver: string, options: Record<string, string>, message: string | RegExp) =>
    assert.throws(
      () => checkLogOptions(driver, options),
      (e) =>
        isSwarmtsError(e, 'invalid-argument') &&
        (typeof message === 'string' ? e.message === message : message.test(e.message)),
    );

  it('are refused when the driver does not know them', () => {
    refused('json-file', { 'max-sizes': '1m' }, "unknown log opt 'max-sizes' for json-file log driver");
    refused('local', { tag: 'x' }, "unknown log opt 'tag' for log driver local");
    refused('journald', { 'max-size': '1m' }, "unknown log opt 'max-size' for journald log driver");
    refused('syslog', { 'max-size': '1m' }, "unknown log opt 'max-size' for syslog log driver");
    refused('syslog', { 'syslog-facility': 'nope' }, 'invalid syslog facility');
  });

  it('are of a driver that there is', () => {
    refused('gelf', {}, "logger: no log driver named 'gelf' is registered");
  });

  it('say when a log is begun anew', () => {
    const of = (driver: string, options: Record<string, string> = {}) => Object.values(rotationOf({ driver, options }));
    assert.deepEqual(of('json-file'), [0, 1]);
    assert.deepEqual(of('json-file', { 'max-size': '1k', 'max-file': '3' }), [1024, 3]);
    assert.deepEqual(of('local'), [20 << 20, 5]);
    assert.deepEqual(of('syslog'), [20 << 20, 5]);
    refused('json-file', { 'max-size': 'much' }, "invalid size: 'much'");
    refused('local', { 'max-file': '0' }, 'max-file cannot be less than 1: 0');
  });

  it('are refused when they are no patterns', () => {
    refused('json-file', { 'env-regex': '(' }, /^invalid env-regex '\('/);
    refused('journald', { 'labels-regex': '[' }, /^invalid labels-regex '\['/);
  });

  it('are taken when it does', () => {
    checkLogOptions('json-file', {
      'max-size': '1m',
      'max-file': '3',
      compress: 'true',
      tag: 't',
      labels: 'a',
      env: 'b',
    });
    checkLogOptions('local', { 'max-size': '1m', mode: 'non-blocking', 'max-buffer-size': '4m' });
    checkLogOptions('journald', { tag: '{{.Name}}', 'env-regex': '^A' });
    checkLogOptions('syslog', { 'syslog-address': 'udp://x', mode: 'blocking' });
    checkLogOptions('none', { anything: 'goes' });
  });

  it('have the modes of Docker, and a size of the buffer only in the one that has a buffer', () => {
    refused('local', { mode: 'fast' }, 'logger: logging mode not supported: fast');
    refused('local', { 'max-buffer-size': '4m' }, /only supported with 'mode=non-blocking'$/);
    refused('local', { mode: 'non-blocking', 'max-buffer-size': 'x' }, /x/);
  });
});
