/** Containers on the node's local network: addresses, published ports, and both again after a restart. Needs root. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { LocalNetwork } from '@swarmts/netplugins';
import { startTestHost, type TestHost } from '../helper/test-host.js';
import type { ContainerConfig } from './container-config.js';
import { busyboxLayer, containerConfig, EngineBed, eventually, outputOf, TestRegistry } from './engine-bed.js';
import { LocalContainerNetwork } from './local-container-network.js';

const SERVE = 'while :; do echo -e "HTTP/1.0 200 OK\\r\\n\\r\\nserved" | busybox nc -l -p 80 >/dev/null; done';

describe('a container on the local network', function () {
  this.timeout(60_000);
  let host: TestHost;
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;

  /** The host is a namespace of its own, so that neither rules nor ports of this machine are touched. */
  const network = () =>
    new LocalContainerNetwork(new LocalNetwork(host.helper, { probe: () => Promise.resolve(true) }));

  before(async () => {
    host = await startTestHost();
    registry = await TestRegistry.start();
    bed = await EngineBed.start({ network: network() }, host.helper);
    ({ ref: image } = await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] }));
    await bed.engine.images.pull(image, {});
  });

  after(async () => {
    await bed.close();
    await host.close();
    await registry.close();
  });

  async function started(cmd: string, more: Partial<ContainerConfig>): Promise<string> {
    const id = await bed.engine.create(containerConfig(image, ['sh', '-c', cmd], { networkMode: 'local', ...more }));
    await bed.engine.start(id);
    return id;
  }

  const served = (url: string) =>
    eventually(async () => ((await host.fetch(host.netns, url)) ?? '').startsWith('served'), `${url} answers`);

  it('has an address, reaches others by it, and is reached on its published port, also after a restart', async () => {
    const server = await started(SERVE, { ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080 }] });
    const address = bed.engine.find(server)?.network?.address ?? '';
    await served('http://127.0.0.1:8080/');
    const client = await started(`wget -q -O - http://${address}/; ip -4 addr show eth0`, {});
    await bed.engine.wait(client);
    const own = bed.engine.find(client)?.network;
    assert.equal(own, undefined, 'an address is given back with the end');
    assert.match(await outputOf(bed.engine, client), /^served\n(.*\n)*.*inet 172\.30\./);

    await bed.engine.close();
    await bed.open({ network: network() });
    assert.equal(bed.engine.find(server)?.network?.address, address);
    assert.equal(bed.engine.find(server)?.ports[0]?.publishedPort, 8080);
    await served('http://127.0.0.1:8080/');
    await bed.engine.stop(server, 0);
    assert.equal(await host.fetch(host.netns, 'http://127.0.0.1:8080/'), undefined);
    assert.equal(existsSync(join(bed.execRoot, 'netns', server)), false);
  });

  it('reaches what it is linked to by names and variables, also after that has another address', async () => {
    const exposed = { exposedPorts: [{ protocol: 'tcp', targetPort: 80 }], env: ['MODE=fast'] } as const;
    const db = await started(SERVE, { name: 'link-db', hostname: 'box', ...exposed });
    const address = () => bed.engine.find(db)?.network?.address ?? '';
    await served(`http://${address()}/`);
    const links = [{ container: 'link-db', alias: 'my-db' }];
    const web = await started('wget -q -O - http://my-db/; env; cat /etc/hosts; sleep 1000', {
      name: 'link-web',
      links,
    });
    const { network: own } = bed.engine.find(web) ?? {};
    const told = () => outputOf(bed.engine, web);
    await eventually(
      async () => /link-web\n$/.test(await told()) || (await told()).includes(own?.address ?? '-'),
      'it is told',
    );
    const text = await told();
    assert.match(text, /^served\n/);
    assert.match(text, new RegExp(`^MY_DB_PORT_80_TCP=tcp://${address()}:80$`, 'm'));
    assert.match(text, /^MY_DB_ENV_MODE=fast$/m);
    assert.match(text, /^MY_DB_NAME=\/link-web\/my-db$/m);
    assert.match(text, new RegExp(`^${address()}\tmy-db box link-db$`, 'm'));
    assert.deepEqual(bed.engine.find(web)?.links, links);

    const before = address();
    await bed.engine.stop(db, 0);
    const other = await started('sleep 1000', {});
    await bed.engine.start(db);
    assert.notEqual(address(), before, 'somebody else has the address now');
    const asked = () => bed.engine.exec(web, ['sh', '-c', 'wget -q -O - http://my-db/ || true'], {});
    await eventually(async () => /^served/.test((await asked()).stdout.toString()), 'the new address is known');
    await bed.engine.rename(db, 'link-db2');
    assert.deepEqual(bed.engine.find(web)?.links, [{ container: 'link-db2', alias: 'my-db' }]);
    assert.equal(bed.engine.find('/link-web/my-db')?.id, db);
    await assert.rejects(bed.engine.removeLink('link-web/other'), /Cannot get parent \/link-web for link name/);
    await assert.rejects(bed.engine.removeLink('link-web'), /cannot remove the default link name of the container/);
    const hosts = async () => (await bed.engine.exec(web, ['cat', '/etc/hosts'], {})).stdout.toString();
    assert.match(await hosts(), /\tmy-db box/);
    await bed.engine.removeLink('link-web/my-db');
    assert.doesNotMatch(await hosts(), /my-db/);
    assert.deepEqual([bed.engine.find(web)?.links, bed.engine.find('link-web/my-db')], [[], undefined]);
    for (const id of [web, db, other]) await bed.engine.remove(id, { force: true, volumes: false });
  });

  it('is linked to what is there and runs on the same network only', async () => {
    const linkedTo = (container: string) =>
      containerConfig(image, ['true'], { networkMode: 'local', links: [{ container, alias: 'x' }] });
    await assert.rejects(bed.engine.create(linkedTo('nobody')), {
      code: 'invalid-argument',
      message: 'could not get container for nobody: No such container: nobody',
    });
    const onHost = await bed.engine.create(containerConfig(image, ['true'], { networkMode: 'host' }));
    await assert.rejects(bed.engine.create(linkedTo(onHost)), /host type networking can't be used with links/);
    const alone = await bed.engine.create(
      containerConfig(image, ['sleep', '1000'], { networkMode: 'none', name: 'link-alone' }),
    );
    const web = await bed.engine.create({ ...linkedTo('link-alone'), name: 'link-strict' });
    await assert.rejects(
      bed.engine.start(web),
      /^SwarmtsError: Cannot link to a non running container: \/link-alone AS \/link-strict\/x$/,
    );
    await bed.engine.start(alone);
    await assert.rejects(
      bed.engine.start(web),
      /Cannot link to \/link-alone, as it does not belong to the default network/,
    );
    await bed.engine.remove(alone, { force: true, volumes: false });
    await bed.engine.start(web);
    assert.deepEqual(bed.engine.find(web)?.links, [], 'what is removed is not linked to');
    await bed.engine.wait(web);
  });

  it('chooses ports that are not given, refuses taken ones, and leaves nothing of the refused container', async () => {
    const first = await started('sleep 1000', { ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 0 }] });
    const port = bed.engine.find(first)?.ports[0]?.publishedPort ?? 0;
    assert.ok(port >= 32768);
    const ports = [{ protocol: 'tcp', targetPort: 80, publishedPort: port }] as const;
    const second = await bed.engine.create(containerConfig(image, ['true'], { networkMode: 'local', ports }));
    await assert.rejects(bed.engine.start(second), (e) => isSwarmtsError(e, 'port-conflict'));
    assert.equal(bed.engine.find(second)?.state, 'created');
    assert.equal(existsSync(join(bed.execRoot, 'netns', second)), false);
    await bed.engine.stop(first, 0);
    await bed.engine.start(second);
    await bed.engine.wait(second);
  });

  it('may join a namespace that somebody else made', async () => {
    const netns = host.path('given');
    await host.helper.createNetns(netns);
    await host.run(netns, 'ip', 'addr', 'add', '192.0.2.77/32', 'dev', 'lo');
    const id = await started('ip -4 addr show lo', { networkNamespace: netns });
    await bed.engine.wait(id);
    assert.match(await outputOf(bed.engine, id), /192\.0\.2\.77/);
    assert.ok(existsSync(netns));
  });

  it('may share the network of the host', async () => {
    const server = host.serve(host.netns, 8099);
    if (!server.listening) await once(server, 'listening');
    const id = await started('wget -q -O - http://127.0.0.1:8099/', { networkMode: 'host' });
    await bed.engine.wait(id);
    assert.equal(await outputOf(bed.engine, id), '127.0.0.1');
  });
});
