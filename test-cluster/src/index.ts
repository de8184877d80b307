export { type ApiAnswer, api, callApi } from './client.js';
export { refusalsOf } from './golden/bad-requests.js';
export { allSteps } from './golden/cli-steps.js';
export { clients, goldenFile, refusalsFile, runSteps } from './golden/run-steps.js';
export { Lab, type LabOptions } from './lab/lab.js';
export { enter, holdNamespaces, type Machine, plugIn, setUpSwitch } from './lab/namespaces.js';
export { pushImage, REGISTRY_NAME, REGISTRY_PORT, startRegistry } from './lab/registry.js';
export { type RunResult, run, runAsync, tryRun } from './lab/run.js';
export { waitFor } from './wait.js';
