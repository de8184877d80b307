import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@swarmts/lib';
import { bridgeSubnetInUse } from './bridge-subnet-in-use.js';

describe('the subnet of the bridge, when the pools have changed', () => {
  let dir: string;
  let file: string;
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => void said.push(message) };
  const open = (subnet: string, isFixed: boolean, ...gateways: string[]) =>
    bridgeSubnetInUse({ subnet, isFixed }, file, logger, () => new Set(gateways));

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'bridge-subnet-'));
    file = join(dir, 'bridge-subnet');
    said.length = 0;
    assert.equal(open('10.1.0.0/16', false), '10.1.0.0/16');
  });

  afterEach(() => rmSync(dir, { recursive: true }));

  it('stays while containers have legs of it, and that is told', () => {
    for (let restart = 0; restart < 2; restart++) {
      assert.equal(open('10.2.0.0/16', false, '10.1.0.1', '172.30.0.1'), '10.1.0.0/16');
    }
    assert.match(said.join(), /stays 10\.1\.0\.0\/16: containers are on it/);
    assert.equal(readFileSync(file, 'utf8'), '10.1.0.0/16');
  });

  it('changes with the first start without containers', () => {
    assert.equal(open('10.2.0.0/16', false, '169.254.255.1'), '10.2.0.0/16');
    assert.equal(open('10.1.0.0/16', false, '10.2.0.1'), '10.2.0.0/16');
  });

  it('is the one that somebody names', () => {
    assert.equal(open('10.3.0.9/24', true, '10.1.0.1'), '10.3.0.9/24');
    assert.deepEqual(said, []);
    assert.equal(open('10.1.0.0/16', false, '10.3.0.9'), '10.3.0.9/24', 'its gateway was named as well');
  });
});
