/** Stacks: our own deploy with dependencies, waiting and taking back, and the real `docker stack deploy`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { failed, newLab, ok, untilRunning } from './testing.js';

const WHOAMI = 'registry:5000/whoami';
const BUSYBOX = 'registry:5000/busybox';

describe('stacks', () => {
  let lab: Lab;
  let dir: string;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 1 });
    dir = mkdtempSync(join(tmpdir(), 'swarmts-stack-'));
  });
  after(async () => {
    rmSync(dir, { recursive: true });
    await lab.down();
  });
  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args));
  const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));
  function file(name: string, text: string): string {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  }
  const inspect = async (service: string, template: string) =>
    (await docker('service', 'inspect', '--format', template, service)).trim();

  it('come up in the order of their dependencies, and the command waits', async () => {
    file('.env', 'REPLICAS=2\n');
    file('greeting.txt', 'hello');
    const path = file(
      'shop.yaml',
      `
services:
  migrate:
    image: ${BUSYBOX}
    command: sh -c "sleep 1; echo migrated"
    deploy: {mode: replicated-job}
  db:
    image: ${WHOAMI}
    healthcheck: {test: [CMD, "true"], interval: 200ms, start_period: 5s}
    depends_on: {migrate: {condition: service_completed_successfully}}
  web:
    image: ${WHOAMI}
    depends_on: {db: {condition: service_healthy}}
    environment: {GREETING: "\${GREETING:-hi}"}
    configs: [{source: greeting, target: /greeting}]
    secrets: [token]
    ports: ["8080:8080"]
    deploy: {replicas: "\${REPLICAS}", update_config: {order: start-first}}
configs: {greeting: {file: greeting.txt}}
secrets: {token: {environment: TOKEN}}
`,
    );
    const env = process.env;
    process.env.TOKEN = 'top';
    const out = await swarmts('stack', 'deploy', '-c', path, 'shop').finally(() => {
      delete env.TOKEN;
    });
    const order = ['Creating network shop_default', 'Creating secret shop_token', 'Creating config shop_greeting'];
    order.push('Creating service shop_migrate', 'migrate: 1 out of 1 completed', 'Creating service shop_db');
    order.push('db: 1 out of 1 tasks', 'Creating service shop_web', 'web: 2 out of 2 tasks');
    let at = -1;
    for (const line of order) {
      const next = out.indexOf(line, at + 1);
      assert.ok(next > at, `${line} comes after what is before it:\n${out}`);
      at = next;
    }
    assert.match(await docker('stack', 'ls'), /shop\s+3/);
    assert.match(await swarmts('stack', 'ls'), /shop\s+3/);
    assert.match(await swarmts('stack', 'services', 'shop'), /shop_web\s+replicated\s+2\/2/);
    assert.match(await swarmts('stack', 'ps', 'shop'), /shop_web\.1/);
    const [task] = await untilRunning(lab, 'm1', 'shop_web', 2);
    assert.ok(task);
    assert.equal(await inspect('shop_web', '{{json .Spec.TaskTemplate.ContainerSpec.Env}}'), '["GREETING=hi"]');
  });

  it('are changed where the file has changed, and nowhere else; what is gone is removed last', async () => {
    const before = await untilRunning(lab, 'm1', 'shop_web', 2);
    const path = file(
      'shop2.yaml',
      `
services:
  web:
    image: ${WHOAMI}
    environment: {GREETING: hi}
    configs: [{source: greeting, target: /greeting}]
    secrets: [token]
    ports: ["8080:8080"]
    deploy: {replicas: 3, update_config: {order: start-first}}
configs: {greeting: {file: greeting.txt}}
secrets: {token: {external: true, name: shop_token}}
`,
    );
    const out = await swarmts('stack', 'deploy', '--prune', '-c', path, 'shop');
    assert.match(out, /Updating service shop_web[\s\S]*web: 3 out of 3 tasks[\s\S]*Removing service shop_(db|migrate)/);
    const ids = new Set((await untilRunning(lab, 'm1', 'shop_web', 3)).map((t) => t.ID));
    for (const t of before) assert.ok(ids.has(t.ID), 'a task that was as it should be was replaced');
    assert.match(await docker('stack', 'ls'), /shop\s+1/);
  });

  it('take new versions of configs whose files have changed', async () => {
    file('greeting.txt', 'good evening');
    const out = await swarmts('stack', 'deploy', '-c', join(dir, 'shop2.yaml'), 'shop');
    assert.match(out, /Updating config shop_greeting \(version 2\)[\s\S]*Updating service shop_web/);
    const names = (await docker('config', 'ls', '--format', '{{.Name}}')).trim().split('\n').toSorted();
    assert.deepEqual(names, ['shop_greeting', 'shop_greeting@1']);
    await untilRunning(lab, 'm1', 'shop_web', 3);
    assert.equal(await swarmts('task', 'exec', 'shop_web.1', 'cat', '/greeting'), 'good evening');
  });

  it('that do not come up say why, and are taken back when asked to', async () => {
    const path = file(
      'bad.yaml',
      `
services:
  web: {image: ${WHOAMI}, environment: {NEW: "1"}}
  broken:
    image: ${BUSYBOX}
    command: sh -c "exit 4"
    restart: "no"
`,
    );
    const err = failed(await lab.swarmts('m1', 'stack', 'deploy', '--rollback', '-c', path, 'shop'));
    assert.match(err, /service broken does not come up: .*exit \(4\).*1 attempt/);
    assert.match(failed(await lab.docker('m1', 'service', 'inspect', 'shop_broken')), /no such service/i);
    assert.equal(await inspect('shop_web', '{{json .Spec.TaskTemplate.ContainerSpec.Env}}'), '["GREETING=hi"]');
    await untilRunning(lab, 'm1', 'shop_web', 3);
  });

  it('with mistakes are refused with file and line before anything is made', async () => {
    const path = file('typo.yaml', `services:\n  web:\n    image: ${WHOAMI}\n    prots: ["80:80"]\n`);
    assert.match(
      failed(await lab.swarmts('m1', 'stack', 'deploy', '-c', path, 'typo')),
      /typo\.yaml:4: services\.web\.prots/,
    );
    assert.match(
      failed(await lab.swarmts('m1', 'stack', 'deploy', '-c', join(dir, 'none.yaml'), 'typo')),
      /open .*none\.yaml/,
    );
    assert.match(
      failed(await lab.swarmts('m1', 'stack', 'deploy', '-c', path, 'a b')),
      /typo\.yaml:4|invalid stack name/,
    );
    assert.ok(!(await docker('stack', 'ls')).includes('typo'));
  });

  it('config prints the file with everything filled in', async () => {
    const out = await swarmts('stack', 'config', '-c', join(dir, 'shop.yaml'));
    assert.match(out, /replicas: 2[\s\S]*GREETING: hi[\s\S]*published: "8080"/);
  });

  it('are removed whole, network included', async () => {
    const out = await swarmts('stack', 'rm', 'shop');
    assert.match(out, /Removing service shop_web[\s\S]*Removing network shop_default/);
    assert.ok(!(await docker('network', 'ls')).includes('shop_default'));
    assert.ok(!(await docker('config', 'ls')).includes('shop_greeting'));
  });

  it('the real docker stack deploy works, again too, and its rm', async () => {
    const path = file(
      'v3.yaml',
      `
version: "3.8"
services:
  web:
    image: ${WHOAMI}
    ports: ["8081:8080"]
    networks: [front]
    deploy:
      replicas: 2
      update_config: {parallelism: 2, order: start-first}
      restart_policy: {condition: on-failure}
      labels: {tier: front}
  each:
    image: ${BUSYBOX}
    command: sleep 1000
    deploy: {mode: global, placement: {constraints: [node.role == worker]}}
    configs: [greeting]
networks: {front: {driver: overlay, attachable: true}}
configs: {greeting: {file: greeting.txt}}
`,
    );
    await docker('stack', 'deploy', '-c', path, 'v3');
    await untilRunning(lab, 'm1', 'v3_web', 2);
    await untilRunning(lab, 'm1', 'v3_each', 1);
    assert.match(await docker('stack', 'deploy', '-c', path, 'v3'), /Updating service v3_web/);
    assert.match(await docker('stack', 'ps', 'v3'), /v3_each/);
    assert.match(await docker('stack', 'services', 'v3'), /v3_web\s+replicated\s+2\/2/);
    assert.match(await swarmts('stack', 'ps', 'v3'), /v3_web\.2/);
    await docker('stack', 'rm', 'v3');
    await swarmts('stack', 'rm', 'v3');
    assert.ok(!(await docker('network', 'ls')).includes('v3_front'));
  });
});
