/** Calls over gRPC with our errors: a SwarmtsError travels as status and code in the metadata and comes out as one. */
import * as grpc from '@grpc/grpc-js';
import { asSwarmtsError, type ErrorCode, errorCodes, errorTable, SwarmtsError } from '@swarmts/lib';
import type { Method } from '@swarmts/proto';

const CODE_KEY = 'swarmts-code';
/** Where a node that is not the leader says who is. */
export const LEADER_KEY = 'swarmts-leader';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** One request, one answer. Throws SwarmtsError. */
export function callUnary<Req, Res>(
  client: grpc.Client,
  m: Method<Req, Res>,
  request: Req,
  o: CallOptions,
): Promise<Res> {
  return new Promise((resolve, reject) => {
    if (o.signal?.aborted) {
      reject(new SwarmtsError('aborted', `call of ${m.path} was aborted`));
      return;
    }
    const call = client.makeUnaryRequest(
      m.path,
      m.requestSerialize,
      m.responseDeserialize,
      request,
      new grpc.Metadata(),
      { deadline: Date.now() + o.timeoutMs },
      (error, response) => {
        o.signal?.removeEventListener('abort', onAbort);
        if (error) reject(fromServiceError(error));
        else if (response === undefined) reject(new SwarmtsError('internal', `empty answer to ${m.path}`));
        else resolve(response);
      },
    );
    const onAbort = () => call.cancel();
    o.signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** What the other side threw, as far as the status tells. */
export function fromServiceError(e: grpc.ServiceError | grpc.StatusObject): SwarmtsError {
  const named = e.metadata?.get(CODE_KEY)[0]?.toString();
  const code = errorCodes.find((c) => c === named) ?? (isCutOff(e) ? 'unavailable' : codeOfStatus(e.code));
  return new SwarmtsError(code, e.details || `gRPC status ${e.code}`, { cause: e });
}

/** A connection that breaks while something is written to it, or before that, is an internal error for grpc-js. */
function isCutOff({ code, details }: grpc.StatusObject | grpc.ServiceError): boolean {
  return code === grpc.status.INTERNAL && /^(Received RST_STREAM|Write error)/.test(details);
}

function codeOfStatus(status: number): ErrorCode {
  if (status === grpc.status.UNAVAILABLE) return 'unavailable';
  if (status === grpc.status.DEADLINE_EXCEEDED) return 'timeout';
  if (status === grpc.status.CANCELLED) return 'aborted';
  return errorCodes.find((c) => errorTable[c].grpc === status && c !== 'not-modified') ?? 'internal';
}

/** The status that tells the caller what was thrown here. */
export function toStatus(e: unknown, extra: Readonly<Record<string, string>> = {}): Partial<grpc.StatusObject> {
  const error = asSwarmtsError(e);
  const metadata = new grpc.Metadata();
  metadata.set(CODE_KEY, error.code);
  for (const [k, v] of Object.entries(extra)) if (v !== '') metadata.set(k, v);
  return { code: errorTable[error.code].grpc, details: error.message, metadata };
}
