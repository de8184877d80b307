/**
 * Addresses on swarm networks for containers that this node runs by itself: asked of whichever manager answers. What is given back
 * while no manager does is tried again by the upkeep.
 */
import * as grpc from '@grpc/grpc-js';
import { isSwarmtsError, type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import { type Credentials, callUnary, managerChannelOptions } from '@swarmts/manager';
import {
  AttachContainerRequest,
  DetachContainerRequest,
  type Method,
  NetworkAttacherService,
  RenameContainerRequest,
  type WeightedManager,
} from '@swarmts/proto';
import type { EndpointSource, NetworkWish, ObtainedEndpoint } from '@swarmts/worker';
import { leaderError } from '../backend/leader-calls.js';

const CALL_TIMEOUT_MS = 8_000;

/** The membership of the moment; undefined in no swarm. */
export interface AttacherMembership {
  readonly credentials: Credentials | undefined;
  knownManagers(): readonly WeightedManager[];
}

export class NetworkAttacher implements EndpointSource {
  readonly #node: AttacherMembership;
  readonly #log: Logger;
  /** Endpoints that the managers hold still. */
  readonly #owed = new Set<string>();

  constructor(node: AttacherMembership, log: Logger) {
    this.#node = node;
    this.#log = log;
  }

  async obtain(
    wish: NetworkWish,
    container: { readonly id: string; readonly name: string },
  ): Promise<ObtainedEndpoint> {
    if (!this.#node.credentials) throw new SwarmtsError('not-found', `network ${wish.target} not found`);
    const request = AttachContainerRequest.create({
      network: wish.target,
      containerId: container.id,
      containerName: container.name,
      addresses: wish.addresses,
      aliases: wish.aliases,
    });
    const { taskId, attachment } = await this.#ask(NetworkAttacherService.attach, request);
    if (!attachment) throw new SwarmtsError('internal', 'the managers gave no address');
    return { endpointId: taskId, attachment };
  }

  async rename(taskId: string, containerName: string): Promise<void> {
    if (!this.#node.credentials) return;
    await this.#ask(NetworkAttacherService.rename, RenameContainerRequest.create({ taskId, containerName }));
  }

  async giveBack(taskId: string): Promise<void> {
    if (!this.#node.credentials) return;
    try {
      await this.#ask(NetworkAttacherService.detach, DetachContainerRequest.create({ taskId }));
      this.#owed.delete(taskId);
    } catch (e) {
      this.#owed.add(taskId);
      this.#log.warn('addresses were not given back yet', { endpoint: taskId, error: messageOf(e) });
    }
  }

  owed(): readonly string[] {
    return [...this.#owed];
  }

  async #ask<Req, Res>(method: Method<Req, Res>, request: Req): Promise<Res> {
    let last: unknown = new SwarmtsError('unavailable', 'no manager of the swarm is known');
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    for (const { addr } of this.#node.knownManagers()) {
      const credentials = this.#node.credentials;
      if (!credentials) break;
      const client = new grpc.Client(addr, credentials.client(), managerChannelOptions);
      try {
        return await callUnary(client, method, request, { timeoutMs: CALL_TIMEOUT_MS, signal });
      } catch (e) {
        if (!isSwarmtsError(e, 'unavailable', 'timeout', 'no-leader', 'not-leader', 'aborted')) throw e;
        last = e;
      } finally {
        client.close();
      }
    }
    throw leaderError(last);
  }
}
