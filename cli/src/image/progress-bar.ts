/** "[=====>     ]  1.2MB/4.5MB", as wide as the terminal has room for. Pure. */
import { humanSize } from '../format/size.js';

const BAR_WIDTH = 50;
/** Id, status and the two sizes. */
const OTHER_COLUMNS = 60;

export function progressBar(p: { readonly current?: number; readonly total?: number }, columns: number): string {
  const current = p.current ?? 0;
  const total = p.total ?? 0;
  if (current <= 0 && total <= 0) return '';
  const sizes = total > 0 ? `${humanSize(current, 4)}/${humanSize(total, 4)}` : humanSize(current, 4);
  const width = Math.min(BAR_WIDTH, columns - OTHER_COLUMNS);
  if (total <= 0 || width < 10) return sizes;
  const done = Math.min(width, Math.floor((current / total) * width));
  const bar = `${'='.repeat(done)}${done < width ? '>' : ''}`.padEnd(width);
  return `[${bar}]  ${sizes}`;
}
