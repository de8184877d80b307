import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeRoutes, runCli } from '../../testing/fake-api.js';
import { parseExternalCa } from './external-ca.js';

const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const CA = 'protocol=cfssl,url=https://ca:8888/sign';
const endpoint = { Protocol: 'cfssl', URL: 'https://ca:8888/sign', Options: {}, CACert: '' };
const routes: FakeRoutes = {
  'GET /swarm': () => ({
    json: { Version: { Index: 7 }, Spec: { Name: 'default', CAConfig: { NodeCertExpiry: 5, ForceRotate: 2 } } },
  }),
  'POST /swarm/update': () => ({}),
};

describe('--external-ca', () => {
  let dir: string;
  let cert: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-external-ca-'));
    cert = join(dir, 'ca.crt');
    writeFileSync(cert, PEM);
  });
  after(() => rmSync(dir, { recursive: true }));

  const configOf = async (...args: readonly string[]) => {
    const { code, err, requests } = await runCli(['swarm', ...args], routes);
    assert.equal(code, 0, err);
    return (requests.find((r) => r.path === '/swarm/update')?.body as { readonly CAConfig?: unknown }).CAConfig;
  };
  const refusalOf = async (...args: readonly string[]) => {
    const { code, err, requests } = await runCli(['swarm', ...args], routes);
    assert.notEqual(code, 0);
    assert.ok(!requests.some((r) => r.method === 'POST'), 'nothing was changed');
    return err;
  };

  it('is read as docker reads it', () => {
    assert.deepEqual(parseExternalCa(CA), endpoint);
    assert.deepEqual(parseExternalCa(`PROTOCOL=CFSSL,Url=https://x,cacert=${cert},label=a`), {
      ...{ Protocol: 'cfssl', URL: 'https://x', Options: { label: 'a' }, CACert: PEM },
    });
    for (const [text, message] of [
      ['cfssl', /invalid field 'cfssl' must be a key=value pair/],
      ['protocol=acme,url=x', /unrecognized external CA protocol acme/],
      ['url=https://x', /needs a protocol= parameter/],
      ['protocol=cfssl', /needs a url= parameter/],
      ['', /needs a protocol= parameter/],
      [`${CA},cacert=${join('/nowhere', 'ca.crt')}`, /unable to read CA cert for external CA: open \/nowhere\/ca.crt/],
      [`${CA},cacert=/dev/null`, /CA cert for external CA must be in PEM format/],
    ] as const)
      assert.throws(() => parseExternalCa(text), message);
  });

  it('of swarm update takes the place of those that are there', async () => {
    const CAConfig = await configOf(
      'update',
      '--external-ca',
      CA,
      '--external-ca',
      `protocol=cfssl,url=https://b,cacert=${cert}`,
    );
    const second = { Protocol: 'cfssl', URL: 'https://b', Options: {}, CACert: PEM };
    assert.deepEqual(CAConfig, { NodeCertExpiry: 5, ForceRotate: 2, ExternalCAs: [endpoint, second] });
  });

  it('of swarm ca --rotate is that of the new root, which has to be given', async () => {
    const CAConfig = await configOf('ca', '--rotate', '-d', '--external-ca', CA, '--ca-cert', cert);
    const ExternalCAs = [{ ...endpoint, CACert: PEM }];
    assert.deepEqual(CAConfig, { NodeCertExpiry: 5, ForceRotate: 2, ExternalCAs, SigningCACert: PEM });
    assert.match(
      await refusalOf('ca', '--rotate', '--external-ca', CA),
      /rotating to an external CA requires the `--ca-cert` flag/,
    );
    assert.match(
      await refusalOf('ca', '--rotate', '--ca-cert', cert),
      /requires that a --ca-key flag and\/or --external-ca flag be provided/,
    );
    assert.match(await refusalOf('ca', '--external-ca', CA), /`--external-ca` flag requires the `--rotate` flag/);
    assert.match(
      await refusalOf('ca', '--rotate', '--ca-cert', '/dev/null', '--ca-key', cert),
      /must be in PEM format/,
    );
  });

  it('is left out of swarm ca --rotate to have a root of the managers\u2019 own making', async () => {
    assert.deepEqual(await configOf('ca', '--rotate', '-d'), { NodeCertExpiry: 5, ForceRotate: 3 });
  });

  it('is shown by info', async () => {
    const Swarm = {
      ...{ LocalNodeState: 'active', ControlAvailable: true },
      Cluster: { ID: 'c', Spec: { CAConfig: { ExternalCAs: [endpoint] } } },
    };
    const { out } = await runCli(['info'], {
      'GET /info': () => ({ json: { Swarm } }),
      'GET /version': () => ({ json: {} }),
    });
    assert.match(out, /\n {2}CA Configuration:\n {3}External CAs:\n {5}cfssl: https:\/\/ca:8888\/sign\n/);
  });
});
