/** The networks that every node has without anybody making them. They need no manager, and their ids are fixed. */

export interface BuiltinNetwork {
  readonly id: string;
  readonly name: 'bridge' | 'host' | 'none';
  readonly driver: string;
}

const ID_LENGTH = 64;
const builtin = (name: BuiltinNetwork['name'], driver: string, id: string): BuiltinNetwork => {
  return { id: id.padEnd(ID_LENGTH, '0'), name, driver };
};

export const builtinNetworks = {
  bridge: builtin('bridge', 'bridge', 'b1'),
  host: builtin('host', 'host', 'b2'),
  none: builtin('none', 'null', 'b3'),
};

/** By name or id. */
export function findBuiltinNetwork(ref: string): BuiltinNetwork | undefined {
  return Object.values(builtinNetworks).find((n) => n.name === ref || n.id === ref);
}
