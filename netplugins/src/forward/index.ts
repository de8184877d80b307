export { FORWARD_MAIN_FILE, ForwardClient } from './forward-client.js';
export { forwardKey, type PortForward } from './protocol.js';
