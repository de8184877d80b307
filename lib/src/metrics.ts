/** A small registry of counters, gauges and histograms, printed in the Prometheus text format. */

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly labels: Labels;
  value: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly collect: () => readonly Series[];
}

export interface Counter {
  inc(by?: number, labels?: Labels): void;
}

export interface Timer {
  /** Records a duration in seconds. */
  observe(seconds: number): void;
}

export class MetricsRegistry {
  readonly #metrics = new Map<string, Metric>();

  counter(name: string, help: string): Counter {
    const series = new Map<string, Series>();
    this.#metrics.set(name, { name, help, type: 'counter', collect: () => [...series.values()] });
    return {
      inc(by = 1, labels = {}) {
        const key = JSON.stringify(labels);
        const s = series.get(key) ?? { labels, value: 0 };
        s.value += by;
        series.set(key, s);
      },
    };
  }

  /** A gauge whose value is read when the metrics are printed. */
  gauge(name: string, help: string, read: () => number | readonly { labels: Labels; value: number }[]): void {
    const collect = () => {
      const v = read();
      return typeof v === 'number' ? [{ labels: {}, value: v }] : v;
    };
    this.#metrics.set(name, { name, help, type: 'gauge', collect });
  }

  /** Count and sum of durations in seconds. */
  timer(name: string, help: string): Timer {
    const count = this.counter(`${name}_count`, help);
    const sum = this.counter(`${name}_sum`, help);
    return {
      observe(seconds) {
        count.inc();
        sum.inc(seconds);
      },
    };
  }

  /** The Prometheus exposition text. */
  print(): string {
    const lines: string[] = [];
    for (const m of this.#metrics.values()) {
      lines.push(`# HELP ${m.name} ${m.help}`, `# TYPE ${m.name} ${m.type}`);
      for (const s of m.collect()) lines.push(`${m.name}${printLabels(s.labels)} ${s.value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

function printLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([k, v]) => `${k}=${JSON.stringify(v)}`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}
