/** In which order services can be brought up: each after those that it depends on. Pure. */
import type { ComposeService } from './model.js';

/** Names in order. Throws Error naming a circle of services, or one that does not exist. */
export function dependencyOrder(services: Readonly<Record<string, ComposeService>>): readonly string[] {
  const done = new Set<string>();
  const visit = (name: string, chain: readonly string[]): void => {
    if (done.has(name)) return;
    if (chain.includes(name))
      throw new Error(
        `services depend on each other in a circle: ${[...chain.slice(chain.indexOf(name)), name].join(' -> ')}`,
      );
    for (const [other, d] of Object.entries(services[name]?.depends_on ?? {})) {
      if (services[other]) visit(other, [...chain, name]);
      else if (d.required)
        throw new Error(`service ${name} depends on ${other}, which is not defined or not in an active profile`);
    }
    done.add(name);
  };
  for (const name of Object.keys(services)) visit(name, []);
  return [...done];
}
