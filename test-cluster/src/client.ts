/** A small client of the Docker Engine API over a unix socket, for lab and scenarios. */
import { request } from 'node:http';

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request; a text is sent as it is. Throws only when there is no daemon. */
export function callApi(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  timeoutMs = 60_000,
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const payload = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
    const req = request(
      {
        socketPath,
        method,
        path,
        headers:
          payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
        timeout: timeoutMs,
      },
      (res) => {
        const parts: Buffer[] = [];
        res.on('data', (b: Buffer) => parts.push(b));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
        res.on('error', reject);
      },
    );
    req.on('timeout', () => req.destroy(new Error(`${method} ${path}: no answer within ${timeoutMs} ms`)));
    req.on('error', reject);
    req.end(payload);
  });
}

/** The parsed answer of a request that has to succeed. */
export async function api<T>(socketPath: string, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await callApi(socketPath, method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${messageIn(answer.body)}`);
  // The caller names the shape that Docker's API documents for this path.
  return (answer.body === '' ? undefined : JSON.parse(answer.body)) as T;
}

function messageIn(body: string): string {
  try {
    return (JSON.parse(body) as { readonly message?: string }).message ?? body;
  } catch {
    return body;
  }
}
