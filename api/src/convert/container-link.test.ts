import assert from 'node:assert/strict';
import { JsonObject } from '../json/object.js';
import { readContainerCreate } from './container-create.js';
import { linkJson, readLink } from './container-link.js';

const created = (host: object, endpoints: object = {}) =>
  readContainerCreate(
    new JsonObject({ Image: 'i', HostConfig: host, NetworkingConfig: { EndpointsConfig: endpoints } }, 'body'),
    'web',
  );

describe('links of a container', () => {
  it('have an alias, by default the name', () => {
    assert.deepEqual(readLink('db:d'), { container: 'db', alias: 'd' });
    assert.deepEqual(readLink('db'), { container: 'db', alias: 'db' });
    assert.deepEqual(readLink('/db:/web/d'), { container: 'db', alias: 'd' });
    assert.equal(linkJson('web', { container: 'db', alias: 'd' }), '/db:/web/d');
  });

  it('may name the alias as a path', () => {
    assert.deepEqual(readLink('db:/mysql'), { container: 'db', alias: 'mysql' });
  });

  it('are refused in any other form', () => {
    for (const [text, message] of [
      ['', /invalid empty value for links/],
      ['a:b:c', /bad format for links: a:b:c/],
      [':b', /bad format for links: :b/],
      ['a:', /bad format for links: a:/],
      ['a:/', /bad format for links: a:\//],
    ] as const) {
      assert.throws(() => readLink(text), message);
    }
  });

  it('belong to the container on the default network, else to its place on the network', () => {
    const plain = created({ Links: ['db:d'] });
    assert.deepEqual(plain.links, [{ container: 'db', alias: 'd' }]);
    const own = created({ Links: ['db:d'], NetworkMode: 'back' }, { back: { Links: ['db:d'] } });
    assert.deepEqual([own.links, own.networks?.[0]?.links], [[], [{ container: 'db', alias: 'd' }]]);
  });

  it('need a network of the container’s own', () => {
    for (const [mode, what] of [
      ['host', 'host type networking'],
      ['container:x', 'container type network'],
    ] as const) {
      const text = `conflicting options: ${what} can't be used with links. This would result in undefined behavior`;
      assert.throws(() => created({ Links: ['db'], NetworkMode: mode }), { message: text });
    }
  });
});
