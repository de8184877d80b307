import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import { parseReference } from '@swarmts/proto';
import { RepositoryClient } from './registry-client.js';
import { refuse, ScriptedRegistry, send } from './scripted-registry.js';

describe('an upload to a registry', () => {
  let registry: ScriptedRegistry;
  let elsewhere: ScriptedRegistry;
  let client: RepositoryClient;
  beforeEach(async () => {
    [registry, elsewhere] = [await ScriptedRegistry.start(), await ScriptedRegistry.start()];
    const auth = { username: 'user', password: 'secret' };
    client = new RepositoryClient(parseReference(`${registry.address}/app`), auth, { logger: silentLogger });
  });
  afterEach(async () => {
    client.close();
    await registry.close();
    await elsewhere.close();
  });

  /** The registry knows its user, and sends uploads to `place`. */
  function uploadsGoTo(place: string): void {
    registry.intercept = (req, res) => {
      if (req.headers.authorization === undefined) {
        refuse(res, 401, 'UNAUTHORIZED', 'who?', { 'www-authenticate': 'Basic realm="registry"' });
      } else if (req.method === 'POST') send(res, 202, Buffer.alloc(0), { location: place });
      else req.resume().on('end', () => send(res, 201, Buffer.alloc(0)));
      return true;
    };
  }
  async function upload(): Promise<void> {
    const place = await client.beginUpload(undefined);
    assert.ok(place instanceof URL);
    const blob = { digest: `sha256:${'0'.repeat(64)}`, size: 4 };
    await client.upload(place, blob, () => Readable.from([Buffer.from('blob')]));
  }

  it('shows who it is to the registry', async () => {
    uploadsGoTo('/v2/app/blobs/uploads/1?state=x');
    await upload();
    assert.match(registry.requests.at(-1) ?? '', /^PUT \/v2\/app\/blobs\/uploads\/1\?state=x&digest=sha256/);
    assert.match(registry.authorizations.at(-1) ?? '', /^Basic /);
  });

  it('does not show it to another server that the registry names, even when that asks', async () => {
    uploadsGoTo(`${elsewhere.url}/store/1`);
    elsewhere.intercept = (req, res) => {
      req.resume().on('end', () => send(res, 201, Buffer.alloc(0)));
      return true;
    };
    await upload();
    elsewhere.intercept = (req, res) => {
      const ask = { 'www-authenticate': 'Basic realm="elsewhere"' };
      req.resume().on('end', () => refuse(res, 401, 'UNAUTHORIZED', 'who?', ask));
      return true;
    };
    await assert.rejects(upload(), (e) => isSwarmtsError(e, 'permission-denied'));
    assert.deepEqual(elsewhere.authorizations, [undefined, undefined]);
  });
});
