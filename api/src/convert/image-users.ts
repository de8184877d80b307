/** How many containers were made of each image. */
import type { ContainerSummary } from '../backend.js';

export function usersOfImages(containers: readonly ContainerSummary[]): (imageId: string) => number {
  const counts = new Map<string, number>();
  for (const { imageId } of containers) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  return (imageId) => counts.get(imageId) ?? 0;
}
