/** The flags that say how this node takes part: its addresses and its availability. */
import { text } from '../../args/flag.js';

export const AVAILABILITIES = ['active', 'pause', 'drain'];

export const nodeFlags = {
  'advertise-addr': text('Advertised address (format: "<ip|interface>[:port]")'),
  availability: text('Availability of the node ("active", "pause", "drain")', {
    initial: 'active',
    choices: AVAILABILITIES,
  }),
  'data-path-addr': text('Address or interface to use for data path traffic (format: "<ip|interface>")'),
  'listen-addr': text('Listen address (format: "<ip|interface>[:port]")', {
    initial: '0.0.0.0:2377',
    type: 'node-addr',
    defaultText: '0.0.0.0:2377',
  }),
};

/** The API's word; whatever is not known is for the daemon to refuse, except that Docker's client checks it first. */
export function checkAvailability(word: string): string {
  const lower = word.toLowerCase();
  if (AVAILABILITIES.includes(lower)) return lower;
  throw new Error(`invalid availability ${JSON.stringify(word)}, only active, pause and drain are supported`);
}
