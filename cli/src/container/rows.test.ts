import assert from 'node:assert/strict';
import { containerRow } from './rows.js';

const ports = (...list: readonly (readonly [ip: string, from: number, to: number])[]) =>
  containerRow(
    { Id: 'c1', Ports: list.map(([IP, PublicPort, PrivatePort]) => ({ IP, PublicPort, PrivatePort, Type: 'tcp' })) },
    { trunc: true, nowMs: 0 },
  ).Ports;

describe('the ports of a container', () => {
  it('are ranges where neighbours are published under their own numbers', () => {
    assert.equal(ports(['', 0, 81], ['', 0, 80], ['', 0, 443]), '80-81/tcp, 443/tcp');
    assert.equal(
      ports(['0.0.0.0', 8002, 8002], ['::', 8000, 8000], ['0.0.0.0', 8000, 8000], ['0.0.0.0', 8001, 8001]),
      '0.0.0.0:8000-8002->8000-8002/tcp, [::]:8000->8000/tcp',
    );
  });

  it('stand alone under another number', () => {
    assert.equal(ports(['0.0.0.0', 8080, 80], ['', 0, 22]), '22/tcp, 0.0.0.0:8080->80/tcp');
  });
});
