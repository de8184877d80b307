/** The child process that compares a container's own layer with its image's. */
import { readRequest, reportFrom } from '../snapshots/child-report.js';
import { type ChangesRequest, upperChanges } from './upper-changes.js';

await reportFrom(async () => upperChanges(await readRequest<ChangesRequest>()));
