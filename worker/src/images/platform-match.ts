/** Whether an image is for the platform that somebody named. Pure. */
import { type Platform, platformName } from './manifest.js';

/** Docker's words for an image of another platform; undefined when it fits. Older variants run on newer processors. */
export function platformMismatch(ref: string, wanted: Platform, image: Platform): string | undefined {
  const isSameKind = wanted.os === image.os && wanted.architecture === image.architecture;
  if (isSameKind && (!wanted.variant || !image.variant || image.variant <= wanted.variant)) return undefined;
  const what = `image with reference ${ref} was found but does not match the specified platform`;
  return `${what}: wanted ${shortName(wanted)}, actual: ${shortName(image)}`;
}

/** The usual variant is not named. */
function shortName({ variant, ...platform }: Platform): string {
  const isUsual = platform.architecture === 'arm64' && variant === 'v8';
  return platformName({ ...platform, ...(variant && !isUsual ? { variant } : {}) });
}
