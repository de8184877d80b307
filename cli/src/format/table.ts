/**
 * Columns as Docker prints them: left aligned, three spaces between them, no column narrower than ten. A line is cut into
 * cells at its tabs; the last cell is not padded.
 */
const PADDING = 3;
const MIN_WIDTH = 10;

export function alignTable(text: string, minWidth = MIN_WIDTH): string {
  const lines = text.split('\n').map((l) => l.split('\t'));
  const widths: number[] = [];
  for (const cells of lines) {
    cells.slice(0, -1).forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? minWidth, displayWidth(cell) + PADDING);
    });
  }
  return lines
    .map((cells) =>
      cells
        .map((cell, i) => (i === cells.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - displayWidth(cell))))
        .join(''),
    )
    .join('\n');
}

/** Code points, as Go's tabwriter counts. */
function displayWidth(s: string): number {
  return [...s].length;
}
