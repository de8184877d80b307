/** The daemon's process: reads its configuration, wires helper, engine, swarm and API, and ends in order. */

import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough } from 'node:stream';
import { createApiServer } from '@swarmts/api';
import {
  createLogger,
  isSwarmtsError,
  type LogLevel,
  messageOf,
  readFileIfThere,
  SwarmtsError,
  stderrSink,
  systemClock,
  writeFileAtomic,
} from '@swarmts/lib';
import { tlsInfoOf } from '@swarmts/manager';
import { FEATURE_LEVEL, NodeDescription } from '@swarmts/proto';
import { CsiPlugins, openEngine, startHelper } from '@swarmts/worker';
import { EngineContainers } from './backend/engine-containers.js';
import { EngineImageBackend } from './backend/image-backend.js';
import { machineFacts } from './backend/machine.js';
import { EngineNodeBackend } from './backend/node-backend.js';
import { NodeSwarmBackend } from './backend/swarm-backend.js';
import { DaemonSystemBackend } from './backend/system-backend.js';
import { type DaemonConfig, parseDaemonArgs } from './config/config.js';
import { reload } from './config/reload.js';
import { listenOptionsOf } from './listening.js';
import { DaemonMetrics } from './metrics/daemon-metrics.js';
import { serveMetrics } from './metrics/metrics-server.js';
import { openNetworks } from './networks.js';
import { claimPidFile } from './pid-file.js';
import { openRemappedRoot } from './remapped-root.js';
import { tellServiceManager } from './service-manager.js';
import { ApiCertificate } from './swarm/api-certificate.js';
import { NetworkAttacher } from './swarm/network-attacher.js';
import { SwarmNode } from './swarm/swarm-node.js';
import { VERSION } from './version.js';

/** Exit codes of the process. */
/** Certificates of registries, as `<host>/ca.crt`, `client.cert` and `client.key`. */
const REGISTRY_CERTIFICATES = ['/etc/swarmts/certs.d', '/etc/docker/certs.d'];
const EXIT_USAGE = 1;
const EXIT_FATAL = 2;
/** Ending in order may take so long; then the process goes anyway. */
const STOP_TIMEOUT_MS = 30_000;

export async function main(argv: readonly string[]): Promise<void> {
  try {
    const parsed = parseDaemonArgs(argv);
    if (parsed.kind === 'help') process.stdout.write(parsed.text);
    else if (parsed.kind === 'valid') process.stdout.write('configuration OK\n');
    else if (parsed.kind === 'version') process.stdout.write(`swarmtsd version ${VERSION}\n`);
    else await runDaemon(parsed.config);
  } catch (e) {
    process.stderr.write(`swarmtsd: ${messageOf(e)}\n`);
    if (!isSwarmtsError(e)) process.stderr.write(`${e instanceof Error ? e.stack : ''}\n`);
    process.exit(EXIT_USAGE);
  }
}

async function runDaemon(given: DaemonConfig): Promise<void> {
  const sink = stderrSink(given.logLevel as LogLevel);
  const log = createLogger(sink);
  for (const w of given.warnings) log.warn(w);
  if (process.getuid?.() !== 0) throw new SwarmtsError('permission-denied', 'swarmtsd needs to be started as root');
  // As dockerd does: for whatever this process and those that it starts ask for.
  Object.assign(process.env, given.proxies);
  await mkdir(given.dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(given.execRoot, { recursive: true, mode: 0o711 });
  await claimPidFile(given.pidFile);

  const end: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (code: number): Promise<void> => {
    stopping ??= (async () => {
      const timer = setTimeout(() => process.exit(code || EXIT_FATAL), STOP_TIMEOUT_MS);
      for (const step of end.reverse())
        await step().catch((e: unknown) => log.error('stopping went wrong', { error: e }));
      clearTimeout(timer);
      await rm(given.pidFile, { force: true });
      process.exit(code);
    })();
    return stopping;
  };
  const onSignal = (name: string) => {
    log.info('stopping', { signal: name });
    void stop(0);
  };
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));
  // Without a handler Node would open its debugger.
  process.on('SIGUSR1', () => log.info('state', { memory: process.memoryUsage().rss }));
  // Until everything is there, what the settings say is read anyway.
  let onReload = () => {};
  process.on('SIGHUP', () => onReload());
  const onFatal = (e: unknown) => {
    log.error('the daemon cannot go on', { error: e, stack: e instanceof Error ? e.stack : undefined });
    void stop(EXIT_FATAL);
  };
  process.on('uncaughtException', onFatal);
  process.on('unhandledRejection', onFatal);

  try {
    const helper = await startHelper({ logger: log, forwardingFile: join(given.execRoot, 'forwarding.json') });
    end.push(() => helper.close());
    const serviceManager = { helper, socket: process.env.NOTIFY_SOCKET ?? '', log };
    const { dataRoot, idMaps } = await openRemappedRoot(given, helper, log);
    const config = { ...given, dataRoot };
    const networks = await openNetworks(config, helper, log);
    const engine = await openEngine({
      dataRoot: config.dataRoot,
      execRoot: config.execRoot,
      idMaps,
      helper,
      network: networks.containers,
      logger: log,
      ...runtimeOf(config),
      runtimes: config.runtimes,
      ...(config.cgroupParent === '' ? {} : { cgroupParent: config.cgroupParent }),
      favorDynmods: config.cgroupFavorDynmods,
      volatileState: true,
      bindsRuntime: true,
      registries: {
        get insecureRegistries() {
          return config.insecureRegistries;
        },
        get mirrors() {
          return config.registryMirrors;
        },
        certsDirs: REGISTRY_CERTIFICATES,
      },
      transfers: config,
      dns: config.dns,
      defaults: config.containers,
      ...(config.hostGatewayIp === '' ? {} : { hostGateway: config.hostGatewayIp }),
      ...(config.initPath === '' ? {} : { initPath: config.initPath }),
    });
    end.push(() => engine.close());
    networks.upkeep.start();
    end.push(async () => {
      await networks.upkeep.close();
      await networks.close();
    });
    const facts = machineFacts();
    const host = hostname();
    let encryption = await helper.encryption();
    const describe = () => {
      // What is installed meanwhile is told with the description after this one.
      if (encryption === '') {
        helper.encryption().then(
          (found) => {
            encryption = found;
          },
          (e: unknown) => log.warn('what can encrypt on this node is not known', { error: e }),
        );
      }
      return NodeDescription.create({
        hostname: host,
        platform: { architecture: facts.architecture, os: 'linux' },
        resources: {
          nanoCpus: facts.cpus * 1e9,
          memoryBytes: facts.memoryBytes,
          pids: 0,
          generic: config.genericResources,
        },
        engine: { engineVersion: VERSION, labels: labelsOf(config.labels), plugins: PLUGINS },
        ...(node.credentials ? { tlsInfo: tlsInfoOf(node.credentials.files) } : {}),
        featureLevel: FEATURE_LEVEL,
        dataPathEncryption: encryption,
        dataPathKeys: [...(networks.routed.keys ?? [])],
        dataPathKeysUnknown: networks.routed.keys === undefined,
        csi: csiPlugins.infos,
      });
    };
    const metrics = new DaemonMetrics();
    const csiPlugins = new CsiPlugins({ dir: join(config.execRoot, 'csi'), clock: systemClock, log });
    end.push(async () => csiPlugins.close());
    const node = new SwarmNode({
      dir: join(config.dataRoot, 'swarm'),
      engine,
      networks: networks.routed,
      clock: systemClock,
      random: Math.random,
      log,
      hostname: host,
      defaultAdvertiseAddr: config.swarmDefaultAdvertiseAddr,
      csiPlugins,
      describe,
      leaseMs: config.leaseMs,
      timings: metrics.timings,
      connectApi: () => connectApi(config.hosts),
      onFatal,
    });
    end.push(() => node.stop());
    networks.join(new NetworkAttacher(node, log), () => node.describe());
    const id = await engineId(config.dataRoot);
    metrics.register(node, engine, { ...facts, id, version: VERSION }, systemClock);
    const system = new DaemonSystemBackend({
      config,
      engine,
      facts,
      hostname: host,
      id,
      version: VERSION,
      metrics,
      node,
      hidden: networks.hidden,
    });
    onReload = () => {
      const isReloaded = reload(config, process.argv.slice(2), log);
      sink.level = config.logLevel;
      node.describe();
      if (isReloaded) system.reloaded(systemClock.now());
    };
    const certificate = new ApiCertificate({
      credentials: () => node.credentials,
      record: () => node.record,
      revokedClients: () => node.revokedClients,
      managers: () => node.knownManagers().map((m) => m.addr),
      clock: systemClock,
      random: Math.random,
      log,
    });
    if (config.tls.kind === 'cluster' && config.hosts.some((h) => h.startsWith('tcp://'))) {
      node.onChange(() => certificate.mark());
      end.push(() => certificate.stop());
    }
    const backend = {
      system,
      node: new EngineNodeBackend(engine, networks),
      images: new EngineImageBackend(engine),
      containers: new EngineContainers(engine),
      swarm: new NodeSwarmBackend(node, systemClock, log),
    };
    const observe = metrics.api.observe.bind(metrics.api);
    const api = createApiServer({ backend, version: VERSION, log, observe });
    end.push(() => api.close());
    for (const address of config.hosts) {
      await api.listen(address, listenOptionsOf(config, address, certificate, log));
      log.info('API listens', { address });
    }
    if (config.metricsAddr !== '') {
      const server = await serveMetrics(config.metricsAddr, system, log);
      end.push(async () => server.close());
    }
    await csiPlugins.start(() => node.describe());
    await node.start();
    if (config.eventBus !== '') {
      const { openEventBus } = await import('./event-bus/open-event-bus.js');
      end.push(openEventBus(config, node, engine, log));
    }
    log.info('swarmtsd is ready', { version: VERSION });
    await tellServiceManager('READY=1', serviceManager);
    end.push(() => tellServiceManager('STOPPING=1', serviceManager));
  } catch (e) {
    log.error('swarmtsd could not start', { error: e });
    await stop(EXIT_USAGE);
  }
}

const PLUGINS = [
  { type: 'Network', name: 'bridge' },
  { type: 'Network', name: 'host' },
  { type: 'Network', name: 'null' },
  { type: 'Network', name: 'overlay' },
  { type: 'Volume', name: 'local' },
  { type: 'Log', name: 'json-file' },
  { type: 'Log', name: 'local' },
  { type: 'Log', name: 'syslog' },
  { type: 'Log', name: 'journald' },
];

/** A connection to this daemon's own API, by its unix socket; one that has none cannot be reached through the managers. */
function connectApi(hosts: readonly string[]): Duplex {
  const unix = hosts.find((h) => h.startsWith('unix://'));
  if (unix) return connect(unix.slice('unix://'.length));
  const stream = new PassThrough();
  stream.destroy(
    new Error('the API of this node listens on no unix socket: give its daemon -H unix:///run/swarmts/swarmts.sock'),
  );
  return stream;
}

/** The runtime that the configuration asks for; none leaves the choice to the engine. */
function runtimeOf(config: DaemonConfig): { readonly runtime?: string } {
  if (config.defaultRuntime === '') return {};
  return { runtime: config.runtimes[config.defaultRuntime] ?? config.defaultRuntime };
}

function labelsOf(labels: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(labels.map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]));
}

async function engineId(dataRoot: string): Promise<string> {
  const path = join(dataRoot, 'engine-id');
  const known = await readFileIfThere(path);
  if (known !== undefined && known.trim() !== '') return known.trim();
  const id = randomUUID();
  await writeFileAtomic(path, `${id}\n`, 0o644);
  return id;
}
