/**
 * The decision of how a router gets from what it is to what it should be. Pure. Steps are in the order in which they must happen:
 * devices first, then what packets need to arrive, then what is not wanted any more.
 */
import type { FoundRoute, ObservedRouter, RouterSpec, RouteSpec, RuleSpec } from './router-spec.js';
import { isLeg, UPLINK_DEVICE, VXLAN_DEVICE } from './router-spec.js';

export type RouterStep =
  | { readonly kind: 'raise-loopback' }
  | { readonly kind: 'make-vxlan' }
  | { readonly kind: 'make-uplink' }
  | { readonly kind: 'delete-link'; readonly name: string }
  | { readonly kind: 'mend-settings'; readonly device: string }
  | { readonly kind: 'add-gateway'; readonly address: string }
  | { readonly kind: 'delete-gateway'; readonly address: string }
  | { readonly kind: 'set-neighbour'; readonly address: string; readonly mac: string }
  | { readonly kind: 'delete-neighbour'; readonly address: string }
  | { readonly kind: 'set-fdb'; readonly mac: string; readonly vtep: string }
  | { readonly kind: 'delete-fdb'; readonly mac: string; readonly vtep: string }
  | { readonly kind: 'set-route'; readonly route: RouteSpec }
  | { readonly kind: 'delete-route'; readonly route: RouteSpec }
  | { readonly kind: 'add-rule'; readonly rule: RuleSpec }
  | { readonly kind: 'delete-rule'; readonly rule: RuleSpec };

export const MAIN_TABLE = 254;
const LOCAL_TABLE = 255;
const DEFAULT_TABLE = 253;

/** What every namespace begins with. Without these no table is looked into, whatever routes it holds. */
export const KERNEL_RULES: readonly RuleSpec[] = [
  { family: 'ipv4', priority: 0, table: LOCAL_TABLE },
  { family: 'ipv4', priority: 32_766, table: MAIN_TABLE },
  { family: 'ipv4', priority: 32_767, table: DEFAULT_TABLE },
  { family: 'ipv6', priority: 0, table: LOCAL_TABLE },
  { family: 'ipv6', priority: 32_766, table: MAIN_TABLE },
];

export interface RouterPlan {
  readonly steps: readonly RouterStep[];
  /** Legs that are gone: their containers have to be attached anew. */
  readonly missingLegs: readonly string[];
}

export function planRouter(spec: RouterSpec, found: ObservedRouter): RouterPlan {
  const links = new Map(found.links.map((l) => [l.name, l]));
  const devices = planDevices(spec, found);
  // A device that is made anew has lost all that hung on it.
  const fresh = new Set(devices.made);
  const missingLegs = spec.legs.filter((l) => !links.get(l)?.up);
  const usable = (device: string) => links.has(device) || fresh.has(device);
  const routes = planRoutes(
    spec.routes.filter((r) => usable(r.device)),
    found.routes.filter((r) => !fresh.has(r.device)),
  );
  const peers = fresh.has(VXLAN_DEVICE) ? planPeers(spec, [], []) : planPeers(spec, found.neighbours, found.fdb);
  const gateways = planGateways(spec.gateways, found.gateways);
  const rules = planRules([...KERNEL_RULES, ...spec.rules], found.rules);
  return {
    steps: [
      ...devices.steps,
      ...planSettings(spec, found, fresh),
      ...gateways.add,
      ...peers.add,
      // Gateways of routes are looked for by them.
      ...rules.add,
      ...routes.add,
      ...rules.remove,
      ...routes.remove,
      ...peers.remove,
      ...gateways.remove,
    ],
    missingLegs,
  };
}

interface Changes {
  readonly add: readonly RouterStep[];
  readonly remove: readonly RouterStep[];
}

function planDevices(
  spec: RouterSpec,
  found: ObservedRouter,
): { readonly steps: RouterStep[]; readonly made: string[] } {
  const steps: RouterStep[] = found.loopbackIsUp ? [] : [{ kind: 'raise-loopback' }];
  const made: string[] = [];
  // Of attachments that failed while nobody could take them back.
  for (const { name } of found.links) if (isStray(spec, name)) steps.push({ kind: 'delete-link', name });
  const vx = found.links.find((l) => l.name === VXLAN_DEVICE);
  const want = spec.vxlan;
  const fits =
    vx?.up === true &&
    vx.mac === want?.mac &&
    vx.mtu === want.mtu &&
    vx.vxlan?.vni === want.vni &&
    vx.vxlan.port === want.port &&
    vx.vxlan.local === want.local;
  if (vx && !fits) steps.push({ kind: 'delete-link', name: VXLAN_DEVICE });
  if (want && !fits) {
    steps.push({ kind: 'make-vxlan' });
    made.push(VXLAN_DEVICE);
  }
  const up = found.links.find((l) => l.name === UPLINK_DEVICE);
  const uplinkFits =
    up?.up === true && spec.uplink?.routerAddresses.every((a) => found.uplinkAddresses.includes(a)) === true;
  if (up && !uplinkFits) steps.push({ kind: 'delete-link', name: UPLINK_DEVICE });
  if (spec.uplink && !uplinkFits) {
    steps.push({ kind: 'make-uplink' });
    made.push(UPLINK_DEVICE);
  }
  return { steps, made };
}

function isStray(spec: RouterSpec, device: string): boolean {
  return isLeg(device) && !spec.legs.includes(device);
}

/** Of devices that stay. */
function planSettings(spec: RouterSpec, found: ObservedRouter, fresh: ReadonlySet<string>): readonly RouterStep[] {
  return found.links
    .filter((l) => !l.forwards && !fresh.has(l.name) && !isStray(spec, l.name))
    .map((l) => ({ kind: 'mend-settings', device: l.name }));
}

function planGateways(wanted: readonly string[], found: readonly string[]): Changes {
  return {
    add: wanted.filter((a) => !found.includes(a)).map((address) => ({ kind: 'add-gateway', address })),
    remove: found.filter((a) => !wanted.includes(a)).map((address) => ({ kind: 'delete-gateway', address })),
  };
}

function planPeers(spec: RouterSpec, neighbours: ObservedRouter['neighbours'], fdb: ObservedRouter['fdb']): Changes {
  const add: RouterStep[] = [];
  const remove: RouterStep[] = [];
  const wantedMacs = new Map(spec.peers.map((p) => [p.mac, p.vtep]));
  const wantedHops = new Map(spec.peers.flatMap((p) => p.nextHops.map((address) => [address, p.mac] as const)));
  const knownMacs = new Map(fdb.map((f) => [f.mac, f.vtep]));
  const knownHops = new Map(neighbours.map((n) => [n.address, n.mac]));
  for (const [mac, vtep] of wantedMacs) if (knownMacs.get(mac) !== vtep) add.push({ kind: 'set-fdb', mac, vtep });
  for (const [address, mac] of wantedHops) {
    if (knownHops.get(address) !== mac) add.push({ kind: 'set-neighbour', address, mac });
  }
  for (const f of fdb) if (!wantedMacs.has(f.mac)) remove.push({ kind: 'delete-fdb', mac: f.mac, vtep: f.vtep });
  for (const { address } of neighbours)
    if (!wantedHops.has(address)) remove.push({ kind: 'delete-neighbour', address });
  return { add, remove };
}

function planRoutes(wanted: readonly RouteSpec[], found: readonly FoundRoute[]): Changes {
  const known = new Map(found.map((r) => [routeKey(r), r]));
  const keys = new Set(wanted.map(routeKey));
  const add = wanted
    .filter((r) => {
      const k = known.get(routeKey(r));
      return k === undefined || k.device !== r.device || k.gateway !== (r.gateway ?? '');
    })
    .map((route): RouterStep => ({ kind: 'set-route', route }));
  const remove = found
    .filter((r) => !keys.has(routeKey(r)))
    .map(
      ({ gateway, ...r }): RouterStep => ({
        kind: 'delete-route',
        route: gateway === '' ? r : { ...r, gateway },
      }),
    );
  return { add, remove };
}

function routeKey(r: RouteSpec | FoundRoute): string {
  return `${r.family} ${r.destination} ${r.table ?? MAIN_TABLE}`;
}

function planRules(wanted: readonly RuleSpec[], found: readonly RuleSpec[]): Changes {
  const known = new Set(found.map(ruleKey));
  const keys = new Set(wanted.map(ruleKey));
  return {
    add: wanted.filter((r) => !known.has(ruleKey(r))).map((rule) => ({ kind: 'add-rule', rule })),
    remove: found.filter((r) => !keys.has(ruleKey(r))).map((rule) => ({ kind: 'delete-rule', rule })),
  };
}

function ruleKey(r: RuleSpec): string {
  const { family, priority, table, mark = 0, mask = mark === 0 ? 0 : 0xffff_ffff, source = '', action = '' } = r;
  return `${family} ${priority} ${mark}/${mask} ${table} ${source} ${action}`;
}
