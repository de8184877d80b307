/**
 * Published ports on IPv6 addresses: containers of the local network have IPv4 addresses alone, so a process carries on what comes there. What
 * it could not have, and all of it where it did not answer, is tried again whenever everything is said anew.
 */
import { type Logger, messageOf } from '@swarmts/lib';
import { forwardKey, type PortForward } from '../forward/protocol.js';
import { isOnIpv6, type PublishedPort } from './ports.js';

/** By `forwardKey`. */
type Reasons = Readonly<Record<string, string>>;

export interface Ipv6Publishing {
  /** Whether the host has IPv6 now. */
  readonly isAvailable: () => boolean;
  /** From now on these and no others are forwarded; resolves to the reasons of those that are not. */
  readonly set: (forwards: readonly PortForward[]) => Promise<Reasons>;
  /** As `set`, of what differs from before alone. */
  readonly change: (added: readonly PortForward[], removed: readonly PortForward[]) => Promise<Reasons>;
}

/** A container, as far as its ports are concerned. */
export interface Publisher {
  readonly address: string;
  readonly ports: readonly PublishedPort[];
}

export class Ipv6Ports {
  readonly #publishing: Ipv6Publishing | undefined;
  readonly #logger: Logger;
  /** Why ports are not forwarded, as it was said last. */
  #error = '';

  /** Without `publishing` ports are published on IPv4 addresses alone. */
  constructor(publishing: Ipv6Publishing | undefined, logger: Logger) {
    this.#publishing = publishing;
    this.#logger = logger;
  }

  /** Those of all containers, and no others. */
  async setAll(publishers: Iterable<Publisher>): Promise<void> {
    await this.#tell((p) => p.set([...publishers].flatMap(forwardsOf)));
  }

  /** Those of one container that has changed; resolves to what is wrong with one that it has now, if anything. */
  async change(before: Publisher, after: Publisher): Promise<string | undefined> {
    const [was, is] = [forwardsOf(before), forwardsOf(after)];
    if (was.length + is.length === 0) return undefined;
    const failed = await this.#tell((p) => p.change(without(is, was), without(was, is)));
    const own = is.find((f) => failed[forwardKey(f)] !== undefined);
    return own && `[${own.hostIp}]:${own.port}/${own.protocol}: ${failed[forwardKey(own)]}`;
  }

  async #tell(say: (publishing: Ipv6Publishing) => Promise<Reasons>): Promise<Reasons> {
    if (!this.#publishing) return {};
    try {
      const failed = await say(this.#publishing);
      this.#warnOnce('published ports are not forwarded', Object.values(failed).join('; '));
      return failed;
    } catch (e) {
      this.#warnOnce('ports on IPv6 addresses are not forwarded yet', messageOf(e));
      return {};
    }
  }

  /** The next look meets the same again. '' is no reason to. */
  #warnOnce(what: string, error: string): void {
    if (error !== '' && error !== this.#error) this.#logger.warn(what, { error });
    this.#error = error;
  }
}

function without(all: readonly PortForward[], others: readonly PortForward[]): readonly PortForward[] {
  const keys = new Set(others.map(forwardKey));
  return all.filter((f) => !keys.has(forwardKey(f)));
}

function forwardsOf({ address, ports }: Publisher): PortForward[] {
  return ports.filter(isOnIpv6).flatMap(({ protocol, hostIp, publishedPort, targetPort }) => {
    return protocol === 'sctp' ? [] : [{ protocol, hostIp, port: publishedPort, address, targetPort }];
  });
}
