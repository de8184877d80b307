/** Parts of an image reference that the command line has to tell apart. */

/** A tag or a digest was written. */
export function isTagged(reference: string): boolean {
  return reference.includes('@') || reference.lastIndexOf(':') > reference.lastIndexOf('/');
}

/** Repository and tag of "repo[:tag]"; the tag is '' when there is none. */
export function splitTag(reference: string): { readonly repo: string; readonly tag: string } {
  if (!isTagged(reference)) return { repo: reference, tag: '' };
  const cut = reference.lastIndexOf(':');
  return { repo: reference.slice(0, cut), tag: reference.slice(cut + 1) };
}
