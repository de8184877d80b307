import assert from 'node:assert/strict';
import type { BuildRequest, ProgressRecord } from '@swarmts/api';
import type { BuildOptions, ContainerEngine } from '@swarmts/worker';
import { EngineImageBackend } from './image-backend.js';

const REQUEST: BuildRequest = {
  ...{ dockerfile: 'Dockerfile', tags: [], buildArgs: new Map(), labels: {}, target: '', cacheFrom: [] },
  ...{ noCache: false, pull: false, remove: true, forceRemove: false, quiet: true, networkMode: '', platform: '' },
  ...{ extraHosts: [], memoryBytes: 0, memorySwapBytes: 0, cpuShares: 0, nanoCpus: 0, cpusetCpus: '', cpusetMems: '' },
  ...{ cgroupParent: '', security: {}, shmSizeBytes: 0, ulimits: [], auths: {} },
  context: (async function* () {})(),
};

/** What a build says, and how it ends, on an engine whose builds say two lines. */
async function built(quiet: boolean, end: () => string): Promise<{ said: string; failure: unknown }> {
  const build = async ({ report }: BuildOptions) => {
    await report({ stream: 'Step 1\n' });
    await report({ stream: 'on its way\n' });
    return end();
  };
  // The backend asks the engine for nothing else here.
  const backend = new EngineImageBackend({ build } as unknown as ContainerEngine);
  const records: ProgressRecord[] = [];
  let failure: unknown;
  try {
    for await (const r of backend.build({ ...REQUEST, quiet }, new AbortController().signal)) records.push(r);
  } catch (e) {
    failure = e;
  }
  return { said: records.map((r) => ('stream' in r ? r.stream : '')).join(''), failure };
}

describe('a quiet build', () => {
  it('says the id of the image alone', async () => {
    assert.deepEqual(await built(true, () => 'sha256:1'), { said: 'sha256:1\n', failure: undefined });
    assert.equal((await built(false, () => 'sha256:1')).said, 'Step 1\non its way\n');
  });

  it('says all that it kept to itself when it fails', async () => {
    const broken = new Error('exit code 42');
    const fail = () => {
      throw broken;
    };
    assert.deepEqual(await built(true, fail), { said: 'Step 1\non its way\n', failure: broken });
  });
});
