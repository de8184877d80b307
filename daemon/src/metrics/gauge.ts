/** Gauges that are read when Prometheus asks. */
import { Gauge, type Registry } from 'prom-client';

export type Labelled = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** `read` gives one number, or one per set of labels. */
export function gauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number | Labelled,
  labelNames: readonly string[] = [],
): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      const value = read();
      this.reset();
      if (typeof value === 'number') this.set(value);
      else for (const [labels, v] of value) this.set(labels, v);
    },
  });
}
