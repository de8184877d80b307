/** Logs as another manager, the leader, reads them from the nodes. */
import type * as grpc from '@grpc/grpc-js';
import { ControlLogsRequest, ControlService, type LogChunk, type LogQuery } from '@swarmts/proto';
import { fromServiceError } from '../rpc/unary.js';
import type { LogSubject } from './log-broker.js';

/** Ends when `signal` aborts. Throws SwarmtsError when the leader ends it, or cannot be reached. */
export async function* remoteLogs(
  client: grpc.Client,
  subject: LogSubject,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const m = ControlService.logs;
  const request = ControlLogsRequest.create({ ...subject, query });
  const stream = client.makeServerStreamRequest(m.path, m.requestSerialize, m.responseDeserialize, request);
  const onAbort = () => stream.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) return;
    for await (const chunk of stream) yield chunk as LogChunk;
  } catch (e) {
    if (!signal.aborted) throw fromServiceError(e as grpc.ServiceError);
  } finally {
    signal.removeEventListener('abort', onAbort);
    stream.cancel();
  }
}
