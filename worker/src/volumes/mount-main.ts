/** The child process that mounts one volume: a server that does not answer keeps nobody else waiting. */
import { mount } from 'vxlan-tools';
import type { MountSpec } from '../helper/helper-api.js';
import { readRequest, reportFrom } from '../snapshots/child-report.js';
import { dieWithParent } from '../snapshots/die-with-parent.js';

dieWithParent();
await reportFrom(async () => {
  mount(await readRequest<MountSpec>());
  return null;
});
