/** RUN: a container of the engine on top of the image so far; what it changes becomes a layer. */
import { randomBytes } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerConfig } from '../engine/container-config.js';
import { type LayerBlob, layerFrom } from '../images/image-creation.js';
import { shortId } from '../images/image-puller.js';
import { commandLine } from './config-instructions.js';
import type { Instruction } from './dockerfile.js';
import type { StageBuilder, StepPlan } from './stage-builder.js';

/** Marks the containers of builds: one that runs when the engine is opened belongs to a build that is no more. */
export const BUILD_LABEL = 'io.swarmts.build';
/** Its value for a container that whoever builds wants to keep. */
export const KEPT = 'kept';

/** A command of the build failed; clients end with its exit code. */
export class BuildCommandError extends SwarmtsError {
  readonly exitCode: number;

  constructor(command: readonly string[], exitCode: number) {
    super('invalid-argument', `The command '${command.join(' ')}' returned a non-zero code: ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export function runStep(stage: StageBuilder, i: Instruction): StepPlan {
  const command = commandLine(i.text, stage.state.config);
  const args = stage.argEnv;
  const prefix = args.length > 0 ? [`|${args.length}`, ...args] : [];
  const createdBy = [...prefix, ...command].join(' ');
  return { config: stage.state, createdBy, key: `RUN ${createdBy}`, layer: () => runCommand(stage, command) };
}

async function runCommand(stage: StageBuilder, command: readonly string[]): Promise<LayerBlob | undefined> {
  const { parts, options, say, hold } = stage.context;
  const { engine, images } = parts;
  if (!stage.image) {
    throw new SwarmtsError(
      'invalid-argument',
      'there is nothing to run in: COPY or ADD a file system after FROM scratch',
    );
  }
  const id = await engine.create(containerFor(stage, command, stage.image.id));
  let succeeded = false;
  try {
    await say(` ---> Running in ${shortId(id)}\n`);
    await engine.start(id);
    await passOutput(stage, id);
    const { exitCode } = await engine.wait(id, options.signal);
    if (exitCode !== 0) throw new BuildCommandError(command, exitCode);
    const layer = await layerFrom(images.store, { kind: 'pack', ...parts.changesOf(id) }, hold, options.signal);
    succeeded = true;
    return layer;
  } finally {
    const isStopped = options.signal?.aborted === true;
    if (isStopped || (succeeded ? options.remove : options.forceRemove)) {
      await engine.remove(id, { force: true, volumes: true });
      if (!isStopped) await say(`Removing intermediate container ${shortId(id)}\n`);
    }
  }
}

async function passOutput(stage: StageBuilder, id: string): Promise<void> {
  const { parts, options, say } = stage.context;
  const all = { stdout: true, stderr: true, follow: true, tail: -1 };
  const decoder = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  for await (const entry of parts.engine.logs(id, all, options.signal)) {
    const text = decoder[entry.stream].decode(entry.line, { stream: true });
    // Docker's builder shows what commands complain about in red.
    if (text !== '') await say(entry.stream === 'stderr' ? `\x1b[91m${text}\x1b[0m` : text);
  }
  options.signal?.throwIfAborted();
}

function containerFor(stage: StageBuilder, command: readonly string[], image: string): ContainerConfig {
  const { options } = stage.context;
  const { config } = stage.state;
  return {
    name: `build-${randomBytes(6).toString('hex')}`,
    image,
    labels: { [BUILD_LABEL]: options.remove ? '' : KEPT },
    entrypoint: [''],
    cmd: command,
    env: [...(config.Env ?? []), ...stage.argEnv, ...stage.predefinedEnv],
    mounts: [],
    networkMode: options.networkMode,
    ports: [],
    ...(options.network ? { networks: [{ target: options.network, aliases: [], addresses: [] }] } : {}),
    ...(options.networkContainer ? { networkContainer: options.networkContainer } : {}),
    // Its output is read from there, whatever other containers have.
    log: { driver: 'json-file', options: {} },
    extraHosts: options.extraHosts,
    resources: options.resources,
    ...options.confinement,
    ...(config.User ? { user: config.User } : {}),
    ...(config.WorkingDir ? { workingDir: config.WorkingDir } : {}),
    ...(options.shmSizeBytes > 0 ? { shmSizeBytes: options.shmSizeBytes } : {}),
    health: { test: ['NONE'], intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 },
  };
}
