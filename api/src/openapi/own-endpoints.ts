/** What the routes under /swarmts/v1 take and answer: the words of the OpenAPI document, and what tests hold answers against. */
import {
  anyObject,
  arrayOf,
  boolean,
  described,
  integer,
  number,
  object,
  oneOf,
  type Schema,
  string,
} from './schema.js';

export interface Endpoint {
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Schema;
  /** Status of success, 200 where left out. */
  readonly status?: number;
  /** The JSON of success; absent: an empty body, or `answers`. */
  readonly answer?: Schema;
  /** Content type of an answer that is no JSON, or what happens with the connection. */
  readonly answers?: string;
}

const verdicts = arrayOf(
  object({
    nodeId: string,
    hostname: string,
    fits: boolean,
    filters: arrayOf(object({ name: string, ok: boolean, reason: described(string, 'empty when ok') })),
  }),
);

const spec = anyObject('as the body of POST /services/create of the Docker Engine API');
const version: Endpoint = {
  summary: 'Make the next version of a payload, and bring it to the services that use it where that is asked for',
  body: object({ Data: described(string, 'base64'), 'Update?': boolean }),
  status: 201,
  answer: object({ ID: string, Version: integer, Services: arrayOf(string) }),
};

const clientCertificate = object({
  Serial: string,
  Name: string,
  Role: oneOf('admin', 'readonly'),
  IssuedAt: string,
  ExpiresAt: string,
  'RevokedAt?': described(string, 'only of what was taken back'),
});

export const ownEndpoints: Readonly<Record<string, Endpoint>> = {
  'GET /swarmts/v1/openapi.json': { summary: 'This document', answer: anyObject('OpenAPI 3.1') },
  'GET /swarmts/v1/doctor': {
    summary: 'What this machine lacks to run swarmts',
    answer: object({
      Checks: arrayOf(object({ name: string, ok: boolean, detail: string, fix: described(string, 'empty when ok') })),
    }),
  },
  'GET /swarmts/v1/metrics': { summary: 'Metrics for Prometheus', answers: 'text/plain; version=0.0.4' },
  'GET /swarmts/v1/health': {
    summary: 'Whether the cluster is as it should be; managers only',
    answer: object({
      Status: oneOf('healthy', 'degraded'),
      Managers: object({
        Total: integer,
        Reachable: integer,
        MayFail: described(integer, 'managers that may go before the majority is lost'),
      }),
      Nodes: object({ Total: integer, NotReady: arrayOf(object({ ID: string, Hostname: string })) }),
      Services: object({
        Total: integer,
        Short: arrayOf(object({ ID: string, Name: string, RunningTasks: integer, DesiredTasks: integer })),
      }),
    }),
  },
  'GET /swarmts/v1/health/live': { summary: 'Whether the daemon answers', answer: object({ Status: oneOf('live') }) },
  'GET /swarmts/v1/health/ready': {
    summary: 'Whether this node can do its work; 503 when not, with the same body',
    answer: object({
      Status: oneOf('ready', 'not ready'),
      Checks: arrayOf(object({ Name: string, OK: boolean, Detail: string })),
    }),
  },
  'GET /swarmts/v1/client-certificates': {
    summary: 'The certificates of clients that have not ended',
    answer: arrayOf(clientCertificate),
  },
  'POST /swarmts/v1/client-certificates/{ref}/revoke': {
    summary: 'Take back the certificate of a serial number, or all of a name: every node refuses them from then on',
    answer: arrayOf(clientCertificate),
  },
  'POST /swarmts/v1/client-certificates': {
    summary: "Make a certificate of the cluster's CA for a client of the API on TCP",
    body: object({
      Name: string,
      'Role?': described(oneOf('admin', 'readonly'), 'readonly where left out'),
      'Expiry?': described(integer, 'nanoseconds; one year where left out'),
    }),
    status: 201,
    answer: object({
      CA: described(string, 'PEM'),
      Certificate: described(string, 'PEM'),
      Key: described(string, 'PEM'),
    }),
  },
  'POST /swarmts/v1/nodes/{id}/tunnel': {
    summary: 'Take the connection over as one to the API of another node; managers only',
    status: 101,
    answers: 'the connection is handed over',
  },
  'POST /swarmts/v1/swarm/recover': {
    summary: 'Renew the certificate of this node when it has expired',
    body: object({ JoinToken: string, 'RemoteAddrs?': arrayOf(string) }),
  },
  'POST /swarmts/v1/secrets/{id}/versions': version,
  'POST /swarmts/v1/configs/{id}/versions': version,
  'GET /swarmts/v1/services/{id}/explain': {
    summary: 'Why a service fits or does not fit on each node',
    answer: object({ serviceId: string, nodes: verdicts }),
  },
  'GET /swarmts/v1/tasks/{id}/explain': {
    summary: 'Why a task is, or is not, where it is',
    answer: object({
      taskId: string,
      serviceId: string,
      nodeId: described(string, 'empty while it has none'),
      state: string,
      problem: described(string, 'empty when there is none'),
      nodes: verdicts,
    }),
  },
  'POST /swarmts/v1/services/plan': {
    summary: 'What storing a spec would change, and where tasks would go',
    query: { service: 'id or name of the service to update; empty: a new one' },
    body: spec,
    answer: object({
      action: oneOf('create', 'update', 'none'),
      changes: arrayOf(object({ path: string, 'from?': string, 'to?': string })),
      tasks: arrayOf(
        object({
          name: string,
          action: oneOf('create', 'replace', 'remove', 'keep'),
          fromNode: string,
          toNode: string,
          problem: string,
        }),
      ),
    }),
  },
  'POST /swarmts/v1/services/{id}/rebalance': {
    summary: 'Move tasks so that the service is spread evenly',
    answer: object({ movingTaskIds: arrayOf(string) }),
  },
  'GET /swarmts/v1/services/{id}/schedule': {
    summary: 'When a scheduled job runs, and how its runs went',
    answer: object({
      schedule: object({ cron: string, timezone: string, concurrency: string }),
      nextRunsMs: arrayOf(described(number, 'milliseconds since the epoch')),
      message: string,
      runs: arrayOf(
        object({
          iteration: integer,
          startedAtMs: number,
          tasks: integer,
          completed: integer,
          failed: integer,
          running: integer,
        }),
      ),
    }),
  },
  'GET /swarmts/v1/services/{id}/autoscale': {
    summary: 'Between what a service scales by itself, and what was done so far',
    answer: anyObject('the settings, `replicas` that are wanted now, and `steps` with their reasons'),
  },
};
