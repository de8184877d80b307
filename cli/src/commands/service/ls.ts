/** `swarmts service ls`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type Row, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { familiarImage, modeName, portsText, replicasText } from '../../service/describe.js';

export const serviceLayout: RowLayout = {
  table: '{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}',
  headers: { ID: 'ID', Name: 'NAME', Mode: 'MODE', Replicas: 'REPLICAS', Image: 'IMAGE', Ports: 'PORTS' },
  quiet: '{{.ID}}',
};

const SHORT_ID = 12;

export function serviceRow(s: Service): Row {
  return {
    ID: s.ID.slice(0, SHORT_ID),
    Name: s.Spec.Name ?? '',
    Mode: modeName(s),
    Replicas: replicasText(s),
    Image: familiarImage(s.Spec.TaskTemplate?.ContainerSpec?.Image ?? ''),
    Ports: portsText(s.Endpoint?.Ports),
  };
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display IDs', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const services = await ctx.api.get<Service[]>('/services', { filters: filterQuery(f.filter), status: true });
    const sorted = services.toSorted((a, b) => compareNatural(a.Spec.Name ?? '', b.Spec.Name ?? ''));
    printRows(ctx.out, serviceLayout, sorted.map(serviceRow), f);
  },
});
