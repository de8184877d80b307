/** A root that is being brought in, as nodes report of it. Thousands of nodes report the same few certificates: each is parsed once. */
import { X509Certificate } from 'node:crypto';
import type { Node } from '@swarmts/proto';
import { sameCertificate, splitBundle } from './certificates.js';

/** Bundles whose answer is kept: nodes report the old root, both, or the new one. What others make up must not add up. */
const KEPT_BUNDLES = 1_000;

export class ReportedRoot {
  readonly certPem: string;
  readonly #isSame: (pem: string, certPem: string) => boolean;
  readonly #publicKey: Buffer;
  readonly #trusted = new Map<string, boolean>();

  constructor(certPem: string, isSame = sameCertificate) {
    this.certPem = certPem;
    this.#isSame = isSame;
    this.#publicKey = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  }

  /** Throws where the node reports what is no certificate. */
  isTrustedBy(n: Node): boolean {
    const bundle = n.description?.tlsInfo?.trustRoot ?? '';
    const known = this.#trusted.get(bundle);
    if (known !== undefined) return known;
    const isTrusted = splitBundle(bundle).some((pem) => this.#isSame(pem, this.certPem));
    if (this.#trusted.size >= KEPT_BUNDLES) this.#trusted.clear();
    this.#trusted.set(bundle, isTrusted);
    return isTrusted;
  }

  /** Whether the node's certificate comes from it. */
  hasIssuedFor(n: Node): boolean {
    return this.#publicKey.equals(n.description?.tlsInfo?.certIssuerPublicKey ?? new Uint8Array(0));
  }
}
