/**
 * Connections that stop being HTTP: attach and exec. Docker's clients ask for that with `Upgrade: tcp`, older ones only by asking for the
 * path and going on with raw bytes, which Node's parser would take for the next request. So these requests count as upgrades
 * whatever their headers say: Node stops reading behind the head and hands the connection over.
 */
import { IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** A client that does not end its side of an answered connection loses it after so long. */
const LINGER_MS = 2000;

const HIJACKED =
  /^(?:\/v\d+\.\d+)?\/(?:containers\/[^/]+\/attach|exec\/[^/]+\/start|swarmts\/v1\/nodes\/[^/]+\/tunnel)(?:\?.*)?$/;

/** These are asked for with GET. */
const WEBSOCKET = /^(?:\/v\d+\.\d+)?\/containers\/[^/]+\/attach\/ws(?:\?.*)?$/;

/** Node reads `upgrade` after method and URL are known, to decide whether a request is one. */
export class HijackableMessage extends IncomingMessage {
  get upgrade(): boolean {
    const url = this.url ?? '';
    return (this.method === 'POST' && HIJACKED.test(url)) || (this.method === 'GET' && WEBSOCKET.test(url));
  }

  set upgrade(_asked: boolean | null) {
    // What the headers say does not matter.
  }
}

/** The answer after which the connection belongs to the streams. */
export function acceptHijack(request: IncomingMessage, connection: Duplex, contentType: string): void {
  const asked = request.headers.upgrade !== undefined;
  connection.write(
    asked
      ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n\r\n`,
  );
}

/** An ordinary answer on a connection that ends with it. */
export function answerAndEnd(
  connection: Duplex,
  status: number,
  headers: Readonly<Record<string, number | string | string[] | undefined>>,
  body: Buffer,
): void {
  const lines = Object.entries({ ...headers, 'Content-Length': body.length, Connection: 'close' }).map(
    ([k, v]) => `${k}: ${v}\r\n`,
  );
  connection.write(
    Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`), body]),
  );
  endAndDrain(connection);
}

/** What the client still sends is read and dropped: else its end would never be seen, and the connection would stay. */
export function endAndDrain(connection: Duplex): void {
  connection.end();
  connection.resume();
  const timer = setTimeout(() => connection.destroy(), LINGER_MS);
  connection.once('close', () => clearTimeout(timer));
}
