/** What the docker command prints, and what is said to bad requests, is what dockerd was recorded with (`npm run record-docker`). */
import { cliSteps } from '../golden/cli-steps.js';
import { compareClient, compareRefusals } from '../golden/compare-client.js';
import { run } from '../lab/run.js';
import { newLab } from './testing.js';

describe('beside dockerd', () => {
  it('the docker command prints the same, and bad requests are refused in the same words, or in some that are known', async () => {
    const lab = await newLab({ join: false });
    try {
      const socket = lab.socket('m1');
      compareClient(cliSteps, 'docker', socket);
      run('docker', '-H', `unix://${socket}`, 'pull', '-q', 'registry:5000/busybox');
      await compareRefusals(socket);
    } finally {
      await lab.down();
    }
  });
});
