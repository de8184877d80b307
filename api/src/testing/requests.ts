/** Parts of requests that tests send. */
import assert from 'node:assert/strict';
import type { Harness } from './harness.js';

export const specOf = (name: string, image = 'alpine:3', replicas = 1) => ({
  Name: name,
  Labels: { tier: name },
  TaskTemplate: { ContainerSpec: { Image: image } },
  Mode: { Replicated: { Replicas: replicas } },
});

export const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

export const authHeader = {
  'X-Registry-Auth': Buffer.from('{"username":"u","password":"p"}').toString('base64url'),
};

/** Resolves to the id of the new service. */
export async function createService(api: Harness, name: string, replicas = 1): Promise<string> {
  const a = await api.send('POST', '/services/create', { body: specOf(name, 'alpine:3', replicas) });
  assert.equal(a.status, 201, String(a.body));
  return (a.json as { ID: string }).ID;
}
