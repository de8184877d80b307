/** The CA on the leader: hands out the root, and certificates to those with a token or a certificate. */
import { verify, X509Certificate } from 'node:crypto';
import { messageOf, newId, SwarmtsError } from '@swarmts/lib';
import {
  defaults,
  type GetRootCaResponse,
  GetRootCaResponse as GetRootCaResponseCodec,
  type IssueCertificateRequest,
  type IssueCertificateResponse,
  IssueCertificateResponse as IssueCertificateResponseCodec,
  Node,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  type RootCa,
} from '@swarmts/proto';
import type { Store } from '../store/store.js';
import { apiServerCertificateOrder, type ClientOrder, clientCertificateOrder } from './api-certificates.js';
import { type CertificateOrder, nodeCertificateOrder, signCertificate, verifyNodeCertificate } from './certificates.js';
import { recordClient } from './client-certificates.js';
import { type ExternalCas, externalRootOf } from './external-ca.js';
import { parseJoinToken, sameToken } from './join-token.js';
import { bundleOf, signerOf } from './root-bundle.js';

export interface CaServerOptions {
  readonly store: Store;
  readonly now: () => number;
  readonly external: ExternalCas;
  /** Ends waiting for external CAs. */
  readonly signal: AbortSignal;
}

export class CaServer {
  readonly #o: CaServerOptions;

  constructor(options: CaServerOptions) {
    this.#o = options;
  }

  getRoot(): GetRootCaResponse {
    const { certPem, rotation } = this.#root();
    return GetRootCaResponseCodec.create({
      certPem,
      ...(rotation ? { nextCertPem: rotation.certPem, nextCrossSignedPem: rotation.crossSignedPem } : {}),
    });
  }

  /**
   * `tlsCallerId` is the node id in the caller's certificate, '' for a joiner and for a member whose certificate has expired; that one needs a
   * join token of its role besides. Leader only: it writes.
   */
  async issue(request: IssueCertificateRequest, tlsCallerId: string): Promise<IssueCertificateResponse> {
    if (request.apiServer) return this.#issueForApi(request, tlsCallerId);
    const callerId = request.expiredCertPem.length > 0 ? this.#recovering(request) : tlsCallerId;
    const nodeId = callerId === '' ? newId() : callerId;
    const role = callerId === '' ? this.#roleOfToken(request.token) : this.#roleOfMember(callerId);
    const cluster = this.#cluster();
    const root = this.#root();
    const order = nodeCertificateOrder({
      csrPem: Buffer.from(request.csrPem).toString(),
      nodeId,
      clusterId: cluster.id,
      role,
      validForMs: this.#validForMs(),
      nowMs: this.#o.now(),
    });
    const certPem = await this.#signForNode(order).catch(async (e: unknown) => {
      await this.#tell(nodeId, `${NOT_RENEWED}${messageOf(e)}`);
      throw e;
    });
    const certificateExpiresAtMs = Date.parse(new X509Certificate(certPem).validTo);
    await this.#o.store.update((tx) => {
      const known = tx.get('node', nodeId);
      const issued = { certificateRole: role, certificateRotating: false, certificateExpiresAtMs };
      if (known) tx.update('node', { ...withMessage(known, ''), ...issued });
      else if (callerId !== '')
        throw new SwarmtsError('not-found', `node ${callerId} was removed from the swarm: leave it and join again`);
      else {
        const spec = NodeSpec.create({
          role,
          availability: request.availability,
          annotations: { name: '', labels: {} },
        });
        tx.create(
          'node',
          Node.create({
            id: nodeId,
            spec,
            ...issued,
            status: NodeStatus.create({ state: NodeState.UNKNOWN }),
          }),
        );
      }
    });
    return answerOf(nodeId, certPem, root, role);
  }

  /** Where users look: at the node, if it is known. */
  async #tell(nodeId: string, message: string): Promise<void> {
    await this.#o.store.update((tx) => {
      const node = tx.get('node', nodeId);
      if (node && node.status?.message !== message) tx.update('node', withMessage(node, message));
    });
  }

  async #issueForApi(request: IssueCertificateRequest, callerId: string): Promise<IssueCertificateResponse> {
    const role = this.#roleOfMember(callerId);
    const root = this.#root();
    const node = Node.create({ ...this.#o.store.get('node', callerId) });
    const hostname = node.description?.hostname ?? '';
    const namesakes = this.#o.store.view((tx) => tx.by('node', 'hostname', hostname));
    const certPem = await this.#signForApi(
      apiServerCertificateOrder(node, {
        csrPem: Buffer.from(request.csrPem).toString(),
        clusterId: this.#cluster().id,
        // Nodes choose their hostname: one that two of them have says nothing.
        hostname: namesakes.length === 1 ? hostname : '',
        validForMs: this.#validForMs(),
        nowMs: this.#o.now(),
      }),
    );
    return answerOf(callerId, certPem, root, role);
  }

  /** For somebody who works with the API from another machine. Throws SwarmtsError 'invalid-argument' and 'resource-exhausted'. */
  async issueForClient(order: ClientOrder): Promise<{ readonly certPem: string; readonly rootCaPem: string }> {
    const root = this.#root();
    const nowMs = this.#o.now();
    const certPem = await this.#signForApi(clientCertificateOrder(order, { clusterId: this.#cluster().id, nowMs }));
    await this.#o.store.update((tx) => recordClient(tx, order, certPem, nowMs));
    return { certPem, rootCaPem: bundleOf(root) };
  }

  /** As in Swarm an external CA comes first, also where the managers have the key themselves. */
  async #signForNode(order: CertificateOrder): Promise<string> {
    const external = externalRootOf(this.#cluster());
    return external ? this.#o.external.sign(external, order, this.#o.signal) : this.#signHere(order);
  }

  /** External CAs are for nodes: for the API they are asked only where nobody else has the key. */
  async #signForApi(order: CertificateOrder): Promise<string> {
    return signerOf(this.#root()).keyPem === '' ? this.#signForNode(order) : this.#signHere(order);
  }

  #signHere(order: CertificateOrder): Promise<string> {
    const signer = signerOf(this.#root());
    if (signer.keyPem !== '') return signCertificate(signer, order);
    throw new SwarmtsError(
      'failed-precondition',
      'the managers have no key of the root CA, and no external CA is set that has it: `swarm update --external-ca protocol=cfssl,url=URL`',
    );
  }

  #validForMs(): number {
    return (this.#cluster().spec?.ca?.nodeCertExpiryNs || defaults.nodeCertExpiryNs) / 1e6;
  }

  /** The node that shows its expired certificate, and that it has the key of it. */
  #recovering(request: IssueCertificateRequest): string {
    const pem = Buffer.from(request.expiredCertPem).toString();
    const cert = new X509Certificate(pem);
    const { nodeId, clusterId } = verifyNodeCertificate(pem, bundleOf(this.#root()), Date.parse(cert.validTo));
    const proven = verify('sha256', request.csrPem, cert.publicKey, request.proof);
    if (!proven || clusterId !== this.#cluster().id)
      throw new SwarmtsError(
        'unauthenticated',
        'the expired certificate is not of this cluster, or its key is not there',
      );
    if (this.#roleOfToken(request.token) !== this.#roleOfMember(nodeId))
      throw new SwarmtsError(
        'permission-denied',
        'the join token is of another role than the node: use the one of its own role',
      );
    return nodeId;
  }

  #cluster() {
    const cluster = this.#o.store.view((tx) => tx.list('cluster')[0]);
    if (!cluster) throw new SwarmtsError('unavailable', 'the swarm is being initialised, try again');
    return cluster;
  }

  #root() {
    const root = this.#cluster().rootCa;
    if (!root) throw new SwarmtsError('unavailable', 'the swarm is being initialised, try again');
    return root;
  }

  #roleOfToken(token: string): NodeRole {
    parseJoinToken(token);
    const tokens = this.#root().joinTokens;
    if (tokens && sameToken(token, tokens.manager)) return NodeRole.MANAGER;
    if (tokens && sameToken(token, tokens.worker)) return NodeRole.WORKER;
    throw new SwarmtsError(
      'permission-denied',
      'A valid join token is necessary to join this cluster: this one is of the right cluster, but it was rotated or has a typing error; `swarm join-token worker` on a manager prints the present one',
    );
  }

  #roleOfMember(nodeId: string): NodeRole {
    const node = this.#o.store.get('node', nodeId);
    if (!node)
      throw new SwarmtsError('not-found', `node ${nodeId} was removed from the swarm: leave it and join again`);
    // A demoted manager keeps its certificate until it is out of Raft.
    const stillInRaft = node.managerStatus !== undefined && node.spec?.role === NodeRole.WORKER;
    return stillInRaft ? NodeRole.MANAGER : (node.spec?.role ?? NodeRole.WORKER);
  }
}

const NOT_RENEWED = 'its certificate was not renewed: ';

/** '' takes away what was said of its certificate, and nothing else. */
function withMessage(node: Node, message: string): Node {
  const isOther = message === '' && !node.status?.message.startsWith(NOT_RENEWED);
  return isOther ? node : { ...node, status: NodeStatus.create({ ...node.status, message }) };
}

function answerOf(nodeId: string, certPem: string, root: RootCa, role: NodeRole): IssueCertificateResponse {
  const [cert, roots] = [Buffer.from(certPem), Buffer.from(bundleOf(root))];
  return IssueCertificateResponseCodec.create({ nodeId, certPem: cert, rootCaPem: roots, role });
}
