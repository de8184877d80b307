/** Services are looked at one by one: one that nobody understands, as that of another release may be, keeps the others from nothing. */
import type { Logger } from '@swarmts/lib';
import type { Service } from '@swarmts/proto';

/** What `look` finds in all of them; one that throws is told of and left out. */
export function eachService<T>(
  services: readonly Service[],
  log: Logger,
  look: (service: Service) => readonly T[],
): readonly T[] {
  return services.flatMap((service) => {
    try {
      return look(service);
    } catch (error) {
      log.error('a service is left alone: looking at it failed', { service: service.id, error });
      return [];
    }
  });
}
