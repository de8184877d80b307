/** The proxies of the daemon's settings, as the variables that its requests heed. Those that are not set stay as the environment has them. */
import { SwarmtsError } from '@swarmts/lib';
import { parseProxy } from '@swarmts/worker';

type Values = Readonly<Record<string, unknown>>;

export const PROXY_VARIABLES: Readonly<Record<string, string>> = {
  'http-proxy': 'HTTP_PROXY',
  'https-proxy': 'HTTPS_PROXY',
  'no-proxy': 'NO_PROXY',
};

/** In the file they are {"proxies": {"http-proxy": ...}}. Throws SwarmtsError 'invalid-argument' naming the setting. */
export function proxiesOf(flags: Values, ofFile: unknown): Readonly<Record<string, string>> {
  const file = fileProxies(ofFile);
  const found: Record<string, string> = {};
  for (const [name, variable] of Object.entries(PROXY_VARIABLES)) {
    if (flags[name] !== undefined && file[name] !== undefined)
      throw bad(`the following directives are specified both as a flag and in the configuration file: ${name}`);
    const value = flags[name] ?? file[name];
    if (value === undefined) continue;
    if (typeof value !== 'string') throw bad(`invalid argument "${JSON.stringify(value)}" for "${name}": use a string`);
    if (name !== 'no-proxy' && value !== '') parseProxy(value);
    found[variable] = value;
  }
  return found;
}

function fileProxies(value: unknown): Values {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(`invalid argument "${JSON.stringify(value)}" for "proxies": use an object`);
  const unknown = Object.keys(value).find((k) => PROXY_VARIABLES[k] === undefined);
  if (unknown !== undefined)
    throw bad(`the following directives don't match any configuration option: proxies.${unknown}`);
  return value as Values;
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
