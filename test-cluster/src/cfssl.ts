/**
 * Debian's CFSSL on a machine of a lab, as the CA outside of a swarm: it has a root of its own with an RSA key, and signs for clients
 * that show a certificate of that root, or of one that it was told of besides.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab/lab.js';
import { run, runAsync } from './lab/run.js';
import { waitFor } from './wait.js';

const PORT = 8888;
const START_TIMEOUT_MS = 20_000;
const POLICY = {
  signing: {
    default: { expiry: '24h', usages: ['signing', 'key encipherment', 'server auth', 'client auth'] },
    profiles: { CA: { expiry: '8760h', usages: ['cert sign', 'crl sign'], ca_constraint: { is_ca: true } } },
  },
};

interface Pair {
  readonly cert: string;
  readonly key: string;
}

export class CfsslServer {
  readonly rootPem: string;
  readonly #lab: Lab;
  readonly #node: string;
  readonly #dir: string;
  readonly #pair: Pair;
  #pid = 0;

  constructor(lab: Lab, node: string) {
    this.#lab = lab;
    this.#node = node;
    this.#dir = join(lab.dataRoot(node), '..', 'cfssl');
    mkdirSync(this.#dir, { recursive: true });
    const request = { CN: 'external-ca', names: [{ O: 'Example' }], key: { algo: 'rsa', size: 2048 } };
    this.#pair = this.#generate('root', { ...request, ca: { expiry: '43800h' } }, ['-initca']);
    this.rootPem = this.#pair.cert;
  }

  get url(): string {
    return `https://${this.#lab.address(this.#node)}:${PORT}/api/v1/cfssl/sign`;
  }

  /** As the flag of the command lines. */
  get flag(): string {
    return `protocol=cfssl,url=${this.url}`;
  }

  get rootFile(): string {
    return this.#file('root.pem');
  }

  /** A certificate of the root, and its key. */
  issue(name: string, subject: object, hosts: readonly string[]): Pair {
    const how = ['-ca', this.rootFile, '-ca-key', this.#file('root.key'), '-config', this.#file('policy.json')];
    return this.#generate(name, { key: { algo: 'ecdsa', size: 256 }, ...subject }, [
      ...how,
      `-hostname=${hosts.join(',')}`,
    ]);
  }

  /** `alsoTrusted`: roots of whose certificates clients may show one besides its own. */
  async start(alsoTrusted = ''): Promise<void> {
    writeFileSync(this.#file('clients.pem'), this.rootPem + alsoTrusted);
    writeFileSync(this.#file('policy.json'), JSON.stringify(POLICY));
    this.issue('server', { CN: 'cfssl' }, [this.#lab.address(this.#node)]);
    const options: Readonly<Record<string, string>> = {
      address: this.#lab.address(this.#node),
      port: String(PORT),
      ca: this.rootFile,
      'ca-key': this.#file('root.key'),
      config: this.#file('policy.json'),
      'tls-cert': this.#file('server.pem'),
      'tls-key': this.#file('server.key'),
      'mutual-tls-ca': this.#file('clients.pem'),
    };
    const argv = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]);
    this.#pid = await this.#lab.spawn(this.#node, ['cfssl', 'serve', ...argv]);
    const probe = [...this.#lab.enter(this.#node), 'curl', '-sk', '--cert', this.#file('server.pem')];
    await waitFor('cfssl answers', START_TIMEOUT_MS, async () => {
      const { code } = await runAsync('nsenter', [...probe, '--key', this.#file('server.key'), this.url]);
      return code === 0;
    });
  }

  stop(): void {
    process.kill(this.#pid, 'SIGKILL');
  }

  #file(name: string): string {
    return join(this.#dir, name);
  }

  #generate(name: string, request: object, how: readonly string[]): Pair {
    writeFileSync(this.#file(`${name}.json`), JSON.stringify(request));
    const pair = JSON.parse(run('cfssl', 'gencert', ...how, this.#file(`${name}.json`))) as Pair;
    writeFileSync(this.#file(`${name}.pem`), pair.cert);
    writeFileSync(this.#file(`${name}.key`), pair.key, { mode: 0o600 });
    return pair;
  }
}
