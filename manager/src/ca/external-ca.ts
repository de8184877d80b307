/**
 * CAs outside of the swarm that have the key of its root: which of them sign now, and asking them. What they answer is checked
 * before anybody is given it, since a certificate that is not as it was ordered cuts its node off.
 */
import {
  Backoff,
  boundedSignal,
  type Clock,
  isSwarmtsError,
  type Logger,
  messageOf,
  type Random,
  SwarmtsError,
  sleep,
} from '@swarmts/lib';
import type { Cluster } from '@swarmts/proto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { type CertificateOrder, type KeyAndCert, parseRequest, sameCertificate } from './certificates.js';
import { type CfsslRequest, dialExternalCa, requestSignature } from './cfssl.js';
import { checkSigned } from './check-signed.js';
import { requestOfRoot, vouchesFor } from './new-root.js';
import { bundleOf, signerOf } from './root-bundle.js';

/** For one exchange with one of them, as in Swarm; and until when a request is tried again: a follower waits longer for the leader. */
const LIMITS = { exchangeMs: 5_000, totalMs: 10_000 };
const RETRY = { initialMs: 500, maxMs: 2_000 };
/** What the profile is called that may sign CAs, as in Swarm. */
const CROSS_SIGN_PROFILE = 'CA';

export interface ExternalCaOptions {
  /** What this manager shows to them; undefined before it has a certificate. */
  readonly identity: () => KeyAndCert | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly limits?: typeof LIMITS;
}

/** External CAs that have the key of the same root. */
export interface ExternalRoot {
  readonly urls: readonly string[];
  readonly certPem: string;
  /** Whose certificates they may show. */
  readonly trustedPem: string;
}

/** The external CAs that sign now; undefined where the managers do it. */
export function externalRootOf(cluster: Cluster): ExternalRoot | undefined {
  const { rootCa } = cluster;
  if (!rootCa) return undefined;
  const { certPem } = signerOf(rootCa);
  const urls = externalUrls(cluster, certPem);
  return urls.length === 0 ? undefined : { urls, certPem, trustedPem: bundleOf(rootCa) };
}

/** Where the CAs are that have the key of the root. */
export function externalUrls(cluster: Pick<Cluster, 'spec'>, certPem: string): readonly string[] {
  const all = cluster.spec?.ca?.externalCas ?? [];
  return all.filter((c) => isSame(Buffer.from(c.rootPem).toString(), certPem)).map((c) => c.url);
}

/** What a user gives as the certificate of an external CA need not be one. */
function isSame(pem: string, certPem: string): boolean {
  try {
    return sameCertificate(pem, certPem);
  } catch {
    return false;
  }
}

export class ExternalCas {
  readonly #o: ExternalCaOptions;

  constructor(options: ExternalCaOptions) {
    this.#o = options;
  }

  /** Throws SwarmtsError 'failed-precondition' saying what each of them says; a malformed request is 'invalid-argument'. */
  async sign(root: ExternalRoot, order: CertificateOrder, signal: AbortSignal): Promise<string> {
    const { publicKey } = await parseRequest(order.csrPem);
    const ordered = { ...order, key: Buffer.from(publicKey.rawData) };
    const request = {
      certificate_request: order.csrPem,
      hosts: [...order.dnsNames, ...(order.ipAddresses ?? [])],
      subject: { CN: order.name, names: [{ O: order.clusterId, OU: order.unit }] },
    };
    return this.#ask(root, request, signal, (pem) => checkSigned(pem, root.certPem, ordered, this.#o.clock.now()));
  }

  /** The key of the new root, certified by the old one, which an external CA has the key of. Throws as `sign`. */
  async crossSign(old: ExternalRoot, fresh: KeyAndCert, signal: AbortSignal): Promise<string> {
    const request = await crossSignRequest(fresh);
    return this.#ask(old, request, signal, (pem) => {
      if (!vouchesFor(old.certPem, pem, fresh.certPem))
        throw new SwarmtsError(
          'failed-precondition',
          `it has not certified the new root as a CA: give it a profile "${CROSS_SIGN_PROFILE}" that may`,
        );
    });
  }

  /** Throws SwarmtsError 'invalid-argument' when none of them can be reached. */
  async checkReachable(root: ExternalRoot): Promise<void> {
    const tried = await Promise.allSettled(root.urls.map((url) => dialExternalCa(this.#server(url, root))));
    if (tried.some((t) => t.status === 'fulfilled')) return;
    const why = tried.map((t, i) => `${root.urls[i]}: ${t.status === 'rejected' ? messageOf(t.reason) : ''}`);
    throw new SwarmtsError('invalid-argument', `no external CA can be reached: ${why.join('; ')}`);
  }

  /** One after the other, and all of them again while one may just be away. */
  async #ask(
    root: ExternalRoot,
    request: CfsslRequest,
    signal: AbortSignal,
    check: (pem: string) => void,
  ): Promise<string> {
    const bounded = boundedSignal(signal, this.#limits.totalMs);
    try {
      return await this.#askUntil(bounded.signal, root, request, check);
    } finally {
      bounded.release();
    }
  }

  async #askUntil(
    signal: AbortSignal,
    root: ExternalRoot,
    request: CfsslRequest,
    check: (pem: string) => void,
  ): Promise<string> {
    const { clock, random, log } = this.#o;
    const backoff = new Backoff({ ...RETRY, random });
    for (let said: readonly Failure[] = []; ; ) {
      const failures: Failure[] = [];
      for (const url of root.urls) {
        try {
          const pem = await requestSignature(this.#server(url, root), request, signal);
          check(pem);
          for (const { url: other, error } of failures)
            log.warn('an external CA was passed over', { url: other, error });
          return pem.endsWith('\n') ? pem : `${pem}\n`;
        } catch (error) {
          failures.push({ url, error });
        }
      }
      // An attempt that the end of all has cut off says nothing.
      if (!signal.aborted || said.length === 0) said = failures;
      if (signal.aborted || !said.some((f) => isSwarmtsError(f.error, 'unavailable'))) throw this.#failure(said);
      await sleep(clock, backoff.next(), signal).catch(() => undefined);
    }
  }

  #failure(failures: readonly Failure[]): SwarmtsError {
    const why = failures.map(({ url, error }) => `${url}: ${messageOf(error)}`).join('; ');
    const error = new SwarmtsError('failed-precondition', `the external CA has not signed the certificate: ${why}`, {
      cause: failures[0]?.error,
    });
    this.#o.log.warn('no external CA has signed a certificate', { error });
    return error;
  }

  #server(url: string, root: ExternalRoot) {
    const { trustedPem } = root;
    return { url, trustedPem, identity: this.#o.identity(), timeoutMs: this.#limits.exchangeMs };
  }

  get #limits() {
    return this.#o.limits ?? LIMITS;
  }
}

interface Failure {
  readonly url: string;
  readonly error: unknown;
}

async function crossSignRequest(fresh: KeyAndCert): Promise<CfsslRequest> {
  const cert = new x509.X509Certificate(fresh.certPem);
  const names = ['C', 'ST', 'L', 'O', 'OU'].flatMap((field) =>
    cert.subjectName.getField(field).map((value) => ({ [field]: value })),
  );
  const constraints = cert.getExtension(x509.BasicConstraintsExtension);
  return {
    certificate_request: await requestOfRoot(fresh),
    hosts: [],
    subject: { CN: cert.subjectName.getField('CN')[0] ?? '', names },
    profile: CROSS_SIGN_PROFILE,
    // CFSSL's own server goes by the profile alone; others need to be told.
    extensions: constraints
      ? [
          {
            id: constraints.type,
            critical: constraints.critical,
            value: Buffer.from(constraints.value).toString('hex'),
          },
        ]
      : [],
  };
}
