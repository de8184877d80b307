/**
 * Who may call: every method names its roles in the .proto; the caller's identity comes from its certificate alone, and
 * certificates of removed nodes are refused.
 */
import type * as grpc from '@grpc/grpc-js';
import { SwarmtsError } from '@swarmts/lib';
import { type Method, NodeRole } from '@swarmts/proto';
import { type NodeIdentity, verifyNodeCertificate } from '../ca/certificates.js';

export interface CallerPolicy {
  /** PEM of the roots that certificates must come from. */
  rootPem(): string;
  clusterId(): string;
  isBlacklisted(nodeId: string): boolean;
  now(): number;
}

interface AuthenticatedCall {
  getAuthContext(): { readonly sslPeerCertificate?: { readonly raw: Buffer } };
}

/** Identities by certificate, so that each is verified once. Bounded: oldest go first. */
const CACHE_LIMIT = 20_000;

export class Authoriser {
  readonly #policy: CallerPolicy;
  readonly #cache = new Map<string, NodeIdentity>();
  /** The roots that the cached identities were verified against. */
  #cachedRoots = '';

  constructor(policy: CallerPolicy) {
    this.#policy = policy;
  }

  /** The caller, or undefined for one without certificate where anyone may call. Throws SwarmtsError. */
  check(
    call: grpc.ServerUnaryCall<never, never> | AuthenticatedCall,
    m: Method<never, never>,
  ): NodeIdentity | undefined {
    const raw = (call as AuthenticatedCall).getAuthContext().sslPeerCertificate?.raw;
    const caller = raw && this.#identify(raw);
    if (caller && this.#policy.isBlacklisted(caller.nodeId)) {
      throw new SwarmtsError('permission-denied', `node ${caller.nodeId} was removed from the swarm`);
    }
    if (m.roles.includes('anyone')) return caller;
    if (!caller) throw new SwarmtsError('unauthenticated', `${m.path} needs a certificate of this cluster`);
    const role = caller.role === NodeRole.MANAGER ? 'manager' : 'worker';
    if (!m.roles.includes(role)) throw new SwarmtsError('permission-denied', `a ${role} may not call ${m.path}`);
    return caller;
  }

  #identify(raw: Buffer): NodeIdentity {
    const roots = this.#policy.rootPem();
    if (roots !== this.#cachedRoots) this.#cache.clear();
    this.#cachedRoots = roots;
    const key = raw.toString('latin1');
    const known = this.#cache.get(key);
    const nowMs = this.#policy.now();
    if (known && nowMs <= known.notAfterMs) return known;
    const identity = verifyNodeCertificate(raw, roots, nowMs);
    if (identity.clusterId !== this.#policy.clusterId()) {
      throw new SwarmtsError('permission-denied', 'the certificate is of another cluster');
    }
    if (this.#cache.size >= CACHE_LIMIT) this.#cache.delete(this.#cache.keys().next().value ?? '');
    this.#cache.set(key, identity);
    return identity;
  }
}
