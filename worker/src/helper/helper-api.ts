/**
 * The contract between the daemon and the privileged helper process: everything that needs a fork, a namespace
 * switch, a mount or a netlink socket goes through it, so that the daemon itself never spawns. Every request is typed,
 * idempotent where the kernel allows it, and leaves no state in the helper that the kernel does not hold.
 */

import type { RouterExecutor, SoundLeg } from '@swarmts/netplugins';
import type { PacketKind, TerminalSize } from 'vxlan-tools';
import type { IdMaps } from '../userns/id-map.js';

/** A process to start. `argv[0]` is an absolute path or a name looked up in PATH. */
export interface ProcessSpec {
  readonly argv: readonly string[];
  /** The whole environment of the child (nothing is inherited). */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Bytes for stdin; without it stdin is /dev/null. */
  readonly stdin?: Uint8Array;
  /** A file to read instead. */
  readonly stdinFile?: string;
  /** Files that stdout and stderr append to, instead of being captured. A pipe (makePipes) must have its reader already. */
  readonly stdoutFile?: string;
  readonly stderrFile?: string;
  /** Path of a network namespace file that the child starts in. */
  readonly netns?: string;
}

export interface RunResult {
  /** Exit code, or -1 when a signal ended it. */
  readonly code: number;
  /** Name of the signal that ended it, '' when it exited. */
  readonly signal: string;
  /** Captured output, each cut at MAX_CAPTURE_BYTES. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** What conmon reports over its sync pipe when the container has been created. */
export interface MonitorStarted {
  /** Pid of conmon itself. */
  readonly monitorPid: number;
  /** Pid of the container's init. */
  readonly pid: number;
}

export interface MountSpec {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
  /** MS_* flags of mount(2), by name: 'bind', 'rec', 'ro', 'nosuid', 'nodev', 'noexec', 'private', 'rprivate', 'rshared', 'rslave', 'remount'. */
  readonly flags?: readonly string[];
  readonly data?: string;
}

/** One container's attachment to the node's local network. All addresses are IPv4 dotted quads. */
export interface LocalEndpointSpec {
  /** Path of the network namespace file to create and keep (a bind mount of the namespace). */
  readonly netns: string;
  /** Name of the veth leg in the host's namespace (at most 15 bytes). */
  readonly hostIface: string;
  readonly containerIface: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mac: string;
  readonly mtu: number;
  /** Namespace sysctls to set inside, e.g. { 'net.ipv4.ip_unprivileged_port_start': '0' }. */
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** A process in a terminal of its own. */
export interface TerminalSpec {
  readonly process: ProcessSpec;
  readonly size: TerminalSize;
  /** A unix socket that the caller listens on: everything typed comes from there, everything shown goes there. */
  readonly socket: string;
  /** Names the terminal to `resizeTerminal` while the process runs. */
  readonly name: string;
}

/** Files for namespaces that belong together. */
export interface UserNetnsSpec {
  /** Made with these maps unless there is one. */
  readonly userns: string;
  readonly netns: string;
  readonly ids: IdMaps;
}

export interface HelperApi {
  /** Runs a process to its end. Aborting kills it with SIGKILL. Throws SwarmtsError 'not-found' when the program is missing. */
  run(spec: ProcessSpec, signal?: AbortSignal): Promise<RunResult>;
  /**
   * Starts conmon (which daemonizes) with a sync pipe and waits for the container's pid. Throws SwarmtsError with the
   * OCI runtime's own message when the container could not be created.
   */
  startMonitor(spec: ProcessSpec): Promise<MonitorStarted>;
  /** As `run`, in a terminal; what it shows does not come with the result. */
  runInTerminal(spec: TerminalSpec, signal?: AbortSignal): Promise<RunResult>;
  /** `pid` is the process in the terminal inside of the container. A terminal that is gone is no error. */
  resizeTerminal(name: string, pid: number, size: TerminalSize): Promise<void>;
  /** Makes named pipes that only root may use. */
  makePipes(paths: readonly string[]): Promise<void>;
  /**
   * Connects to a monitor's attach socket for typing into a container, or to a datagram socket, where every write is a message. The
   * number is good until `closeInput` or the helper's end, and never stands for another input afterwards.
   */
  openInput(socket: string, kind?: PacketKind): Promise<number>;
  /** Resolves when everything has been taken; a container that does not read lets it wait. */
  writeInput(input: number, bytes: Uint8Array): Promise<void>;
  /** The end of the input, as ^D or a closed pipe. */
  closeInput(input: number): Promise<void>;
  mount(spec: MountSpec): Promise<void>;
  /** Lazy unmount; a target that is not mounted is no error. */
  unmount(target: string): Promise<void>;
  /** Creates namespace + veth + address + default route (+ loopback up) in one round trip. Repeating it with the same spec is no error. */
  attachLocal(spec: LocalEndpointSpec): Promise<void>;
  /** Makes a network namespace that belongs to a user namespace. `detachLocal` removes either file. */
  createUserNetns(spec: UserNetnsSpec): Promise<void>;
  /** Drops the namespace file (the veth goes with the namespace); absent is no error. */
  detachLocal(netns: string): Promise<void>;
  /** Applies one nftables document (the text syntax of nft -f) atomically in the host's (or the named) namespace. Throws with the kernel's message. */
  nft(document: string, netns?: string): Promise<void>;
  /**
   * Output of an nft command such as "list table inet swarmts", as libnftables prints it. Options may stand in front as
   * with nft(8): "-a list table inet swarmts" (handles), "-j" (JSON), "-t" (terse), "-n" (numeric), "-s" (stateless).
   */
  nftList(command: string, netns?: string): Promise<string>;
  /** Sends a signal (number) to a pid. Returns false when there is no such process. */
  kill(pid: number, signal: number): Promise<boolean>;
  /** Stops the helper process and waits until it is gone. */
  close(): Promise<void>;
}

export type ConnectionFilter =
  | { readonly backend: string }
  | { readonly protocol: 'udp' | 'sctp'; readonly destinationPort: number };

/** What the node's network drivers need beyond HelperApi; routers of networks as netplugins describes them. */
export interface PrivilegedHelper extends HelperApi, RouterExecutor {
  /** Creates a namespace that has nothing but its loopback, up. Repeating it is no error. `detachLocal` removes it. */
  createNetns(netns: string, sysctls?: Readonly<Record<string, string>>): Promise<void>;
  /** Starts a process that outlives daemon and helper; nobody waits for it. Resolves to its pid. Output goes to the spec's files. */
  startDetached(spec: ProcessSpec): Promise<number>;
  /** As `attachLocal`, but in a namespace that is there; false when it is not. A default route over another device stays. */
  repairLocal(spec: LocalEndpointSpec): Promise<boolean>;
  /** Legs of the local network that are as `attachLocal` made them, on the host's side. */
  soundLegs(): Promise<readonly SoundLeg[]>;
  /** Makes the host forward IPv4. */
  requireForwarding(): Promise<void>;
  /** Legs and uplinks have turned on that the host forwards; nobody needs it any more, and its settings are as they were before. */
  restoreForwarding(): Promise<void>;
  /** Writes `net.*` sysctls in the host's (or the named) namespace. */
  setSysctls(values: Readonly<Record<string, string>>, netns?: string): Promise<void>;
  /**
   * Forgets tracked connections of the host's namespace: those that are answered by a backend's address, or UDP flows to a
   * port. Their next packets are looked at anew.
   */
  flushConnections(filter: ConnectionFilter): Promise<void>;
  /** Pid of the helper process; 0 while there is none. */
  readonly pid: number;
}
