/** Where the files of images and containers are, as Docker's overlay2 driver shows it. */

/** `layers` are the directories of unpacked layers, topmost first. Nothing is mounted for an image: its names are where it would be. */
export function imageDirectories(layers: readonly string[]): Record<string, unknown> {
  const [top, ...below] = layers;
  if (top === undefined) return { Name: 'overlay2', Data: {} };
  const beside = top.replace(/\/[^/]+$/, '');
  const lower = below.length > 0 ? { LowerDir: below.join(':') } : {};
  const Data = { ...lower, MergedDir: `${beside}/merged`, UpperDir: top, WorkDir: `${beside}/work` };
  return { Name: 'overlay2', Data };
}

export function containerDirectories(directory: string, layers: readonly string[]): Record<string, unknown> {
  const own = { MergedDir: `${directory}/rootfs`, UpperDir: `${directory}/upper`, WorkDir: `${directory}/work` };
  return { Name: 'overlay2', Data: { LowerDir: layers.join(':'), ...own } };
}
