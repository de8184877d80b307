/**
 * The messages between daemon and helper. A request names a method of PrivilegedHelper; its binary part (stdin) and that of a
 * response (captured output) travel in the frame's tail. Both ends come from the same build, so there are no versions.
 */
import { type ErrorCode, errorCodes } from '@swarmts/lib';
import type {
  Encryption,
  EnsuredRouter,
  FoundTunnel,
  LegSpec,
  MacvlanSpec,
  RouterSpec,
  RulesSpec,
  SoundLeg,
  TunnelsSpec,
} from '@swarmts/netplugins';
import type { PacketKind, TerminalSize } from 'vxlan-tools';
import type {
  ConnectionFilter,
  LocalEndpointSpec,
  MonitorStarted,
  MountSpec,
  ProcessSpec,
  UserNetnsSpec,
} from './helper-api.js';

/** A ProcessSpec without stdin, which is the tail when `hasStdin`. */
export interface WireProcess extends Omit<ProcessSpec, 'stdin'> {
  readonly hasStdin: boolean;
}

/** Parameters by method. */
export interface Methods {
  run: { readonly process: WireProcess };
  startMonitor: { readonly process: WireProcess };
  runInTerminal: {
    readonly process: WireProcess;
    readonly size: TerminalSize;
    readonly socket: string;
    readonly name: string;
  };
  resizeTerminal: { readonly name: string; readonly pid: number; readonly size: TerminalSize };
  makePipes: { readonly paths: readonly string[] };
  openInput: { readonly socket: string; readonly kind: PacketKind };
  /** The bytes are the frame's tail. */
  writeInput: { readonly input: number };
  closeInput: { readonly input: number };
  mount: { readonly mount: MountSpec };
  unmount: { readonly target: string };
  attachLocal: { readonly endpoint: LocalEndpointSpec };
  repairLocal: { readonly endpoint: LocalEndpointSpec };
  soundLegs: Record<string, never>;
  detachLocal: { readonly netns: string };
  createNetns: { readonly netns: string; readonly sysctls: Readonly<Record<string, string>> };
  createUserNetns: { readonly namespaces: UserNetnsSpec };
  requireForwarding: Record<string, never>;
  restoreForwarding: Record<string, never>;
  setSysctls: { readonly values: Readonly<Record<string, string>>; readonly netns: string };
  nft: { readonly document: string; readonly netns: string };
  nftList: { readonly command: string; readonly netns: string };
  flushConnections: { readonly filter: ConnectionFilter };
  kill: { readonly pid: number; readonly signal: number };
  startDetached: { readonly process: WireProcess };
  ensureRouter: { readonly router: RouterSpec };
  removeRouter: { readonly netns: string };
  attachLeg: { readonly leg: LegSpec };
  detachLeg: { readonly netns: string; readonly leg: string };
  attachMacvlan: { readonly macvlan: MacvlanSpec };
  detachDevice: { readonly netns: string; readonly iface: string };
  writeRules: { readonly rules: RulesSpec };
  changeRules: { readonly rules: RulesSpec; readonly token: string };
  removeRules: { readonly netns: string; readonly tables: readonly string[] };
  underlayMtu: { readonly address: string };
  flushBackends: { readonly netns: string; readonly addresses: readonly string[] };
  encryption: Record<string, never>;
  observeTunnels: { readonly netns: string };
  ensureTunnels: { readonly tunnels: TunnelsSpec };
  removeTunnels: { readonly netns: string };
}

/** Results by method. */
export interface Results {
  run: { readonly code: number; readonly signal: string; readonly stdoutBytes: number };
  startMonitor: MonitorStarted;
  runInTerminal: { readonly code: number; readonly signal: string; readonly stdoutBytes: number };
  resizeTerminal: null;
  makePipes: null;
  openInput: number;
  writeInput: null;
  closeInput: null;
  mount: null;
  unmount: null;
  attachLocal: null;
  repairLocal: boolean;
  soundLegs: readonly SoundLeg[];
  detachLocal: null;
  createNetns: null;
  createUserNetns: null;
  requireForwarding: null;
  restoreForwarding: null;
  setSysctls: null;
  nft: null;
  nftList: string;
  flushConnections: null;
  kill: boolean;
  startDetached: number;
  ensureRouter: EnsuredRouter;
  removeRouter: null;
  attachLeg: null;
  detachLeg: null;
  attachMacvlan: null;
  detachDevice: null;
  writeRules: string;
  changeRules: string;
  removeRules: null;
  underlayMtu: number;
  flushBackends: null;
  encryption: Encryption;
  observeTunnels: readonly FoundTunnel[];
  ensureTunnels: readonly FoundTunnel[];
  removeTunnels: null;
}

export type Method = keyof Methods;

export type WireRequest = {
  [M in Method]: { readonly id: number; readonly method: M } & Methods[M];
}[Method];

/** Kills the process of a `run` that is under way. */
export interface WireCancel {
  readonly cancel: number;
}

export type WireResponse =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

/** The helper's first frame: it is up. */
export interface WireHello {
  readonly hello: number;
}

/** Reads an error from the wire; an unknown code counts as internal. */
export function parseErrorCode(code: string): ErrorCode {
  return errorCodes.find((known) => known === code) ?? 'internal';
}
