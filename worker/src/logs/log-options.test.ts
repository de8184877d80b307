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
    assert.deepEqual(of('json-file'), [0, 1, false]);
    assert.deepEqual(of('json-file', { 'max-size': '1k', 'max-file': '3' }), [1024, 3, false]);
    assert.deepEqual(of('json-file', { 'max-size': '1k', 'max-file': '3', compress: 't' }), [1024, 3, true]);
    assert.deepEqual(of('local'), [20 << 20, 5, true]);
    assert.deepEqual(of('local', { compress: 'False', 'max-file': '1' }), [20 << 20, 1, false]);
    assert.deepEqual(of('syslog'), [20 << 20, 5, false]);
    refused('json-file', { 'max-size': 'much' }, "invalid size: 'much'");
    const compressed: Record<string, string>[] = [
      { compress: 'true' },
      { compress: 'true', 'max-size': '1k' },
      { compress: '1', 'max-file': '2' },
    ];
    for (const options of compressed)
      refused('json-file', options, /^compress cannot be true when max-file is less than 2 or max-size is not set$/);
    refused('local', { 'max-file': '1' }, 'compression cannot be enabled when max file count is 1');
    refused(
      'local',
      { compress: 'maybe' },
      /compress log option: strconv\.ParseBool: parsing "maybe": invalid syntax$/,
    );
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
