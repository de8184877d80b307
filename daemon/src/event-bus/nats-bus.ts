/**
 * NATS JetStream as a bus. The connection is made again for ever; streams are made where they are missing, and left as they are
 * where somebody has made them.
 */
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { connect, errors, headers, type NatsConnection } from '@nats-io/transport-node';
import { type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import type { Bus, BusMessage, BusStream } from './bus.js';
import { type BusAddress, parseBusUrl } from './bus-url.js';

const ACK_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_WAIT_MS = 1_000;
const WEEK_NS = 7 * 24 * 3600 * 1e9;
const MAX_LOG_BYTES = 1024 ** 3;
/** Longer than a manager takes to be replaced: what two of them publish is kept once. */
const DUPLICATE_WINDOW_NS = 10 * 60 * 1e9;
/** JetStream's code for a message that is not there. */
const NO_MESSAGE = 10037;
const NO_STREAM = 10059;

const STREAMS: Readonly<Record<BusStream, Pick<StreamConfig, 'name' | 'subjects'> & Partial<StreamConfig>>> = {
  events: { name: 'SWARMTS_EVENTS', subjects: ['swarmts.*.events.>'] },
  logs: { name: 'SWARMTS_LOGS', subjects: ['swarmts.*.logs.>'], max_bytes: MAX_LOG_BYTES },
};

interface Connected {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

export class NatsBus implements Bus {
  readonly #url: BusAddress;
  readonly #streams: readonly BusStream[];
  readonly #log: Logger;
  #connecting: Promise<Connected> | undefined;
  #closed = false;

  /** Throws SwarmtsError 'invalid-argument'; nothing is connected before there is something to publish. */
  constructor(url: string, streams: readonly BusStream[], log: Logger) {
    this.#url = parseBusUrl(url);
    this.#streams = streams;
    this.#log = log;
  }

  async publish(m: BusMessage): Promise<void> {
    await this.#with(async ({ client }) => {
      const h = headers();
      for (const [k, v] of Object.entries(m.headers)) h.set(k, v);
      await client.publish(m.subject, m.data, { msgID: m.id, headers: h, timeout: ACK_TIMEOUT_MS });
    });
  }

  lastHeaders(stream: BusStream, subject: string): Promise<Readonly<Record<string, string>> | undefined> {
    return this.#with(async ({ manager }) => {
      try {
        const found = await manager.streams.getMessage(STREAMS[stream].name, { last_by_subj: subject });
        return found ? Object.fromEntries([...found.header].map(([k, v]) => [k, v[0] ?? ''])) : undefined;
      } catch (e) {
        if (e instanceof JetStreamApiError && e.code === NO_MESSAGE) return undefined;
        throw e;
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connected = await this.#connecting?.catch(() => undefined);
    await connected?.connection.close();
  }

  async #with<T>(work: (c: Connected) => Promise<T>): Promise<T> {
    const connecting = this.#connecting ?? this.#connect();
    this.#connecting = connecting;
    try {
      const connected = await connecting;
      return await work(connected).catch(async (e: unknown) => {
        if (!isStreamMissing(e)) throw e;
        // Somebody deleted it.
        for (const s of this.#streams) await ensureStream(connected.manager, s, this.#log);
        return await work(connected);
      });
    } catch (e) {
      const isLost = (await connecting.catch(() => undefined))?.connection.isClosed() ?? true;
      if (isLost && this.#connecting === connecting) this.#connecting = undefined;
      throw new SwarmtsError('unavailable', `the event bus does not take messages: ${messageOf(e)}`, { cause: e });
    }
  }

  async #connect(): Promise<Connected> {
    if (this.#closed) throw new Error('it is closed');
    const { servers, user, pass, tls } = this.#url;
    const connection = await connect({
      servers: [...servers],
      ...(user === undefined ? {} : { user, pass }),
      ...(tls ? { tls: {} } : {}),
      name: 'swarmtsd',
      timeout: CONNECT_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
    });
    try {
      const manager = await jetstreamManager(connection, { timeout: ACK_TIMEOUT_MS });
      for (const s of this.#streams) await ensureStream(manager, s, this.#log);
      this.#log.info('the event bus is connected', { server: connection.getServer() });
      return { connection, manager, client: jetstream(connection) };
    } catch (e) {
      await connection.close();
      throw e;
    }
  }
}

/** A subject without a stream is answered by nobody, which the client takes for a server without JetStream. */
function isStreamMissing(e: unknown): boolean {
  if (e instanceof JetStreamApiError) return e.code === NO_STREAM;
  return e instanceof Error && e.cause instanceof errors.RequestError && e.cause.isNoResponders();
}

async function ensureStream(manager: JetStreamManager, stream: BusStream, log: Logger): Promise<void> {
  const config = STREAMS[stream];
  try {
    await manager.streams.info(config.name);
  } catch (e) {
    if (!(e instanceof JetStreamApiError) || e.code !== NO_STREAM) throw e;
    await manager.streams.add({ ...config, max_age: WEEK_NS, duplicate_window: DUPLICATE_WINDOW_NS });
    log.info('a stream of the event bus was made', { stream: config.name });
  }
}
