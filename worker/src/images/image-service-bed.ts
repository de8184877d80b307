/** An image service with a registry that tests script, for as long as a test runs. Needs root. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@swarmts/lib';
import { type TarFile, tarOf } from '../engine/engine-bed.js';
import type { PrivilegedHelper } from '../helper/helper-api.js';
import { startHelper } from '../helper/spawn-helper.js';
import { LayerStore } from '../snapshots/layer-store.js';
import type { PullProgress } from './image-api.js';
import { ImageService, type ImageUser } from './image-service.js';
import { ScriptedRegistry } from './scripted-registry.js';

export const AMD64 = { os: 'linux', architecture: 'amd64' };

export const file = (name: string, content: string): TarFile => ({ name, content });
export const layer = (content: string) => tarOf([file('file', content)]);

/** Made inside of a `describe`, whose hooks it uses. */
export class ImageServiceBed {
  helper!: PrivilegedHelper;
  registry!: ScriptedRegistry;
  dir!: string;
  images!: ImageService;
  users: ImageUser[] = [];
  events: string[] = [];

  constructor() {
    before(async () => {
      this.helper = await startHelper();
    });
    after(() => this.helper.close());
    beforeEach(async () => {
      this.dir = mkdtempSync(join(tmpdir(), 'swarmts-images-'));
      this.registry = await ScriptedRegistry.start();
      this.users = [];
      this.events = [];
      this.images = await this.open();
    });
    afterEach(async () => {
      await this.registry.close();
      if (existsSync(join(this.dir, 'full'))) execFileSync('umount', ['-l', join(this.dir, 'full')]);
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  async open(options: { mirrors?: string[]; root?: string } = {}): Promise<ImageService> {
    const root = options.root ?? this.dir;
    return ImageService.open({
      root: join(root, 'images'),
      layers: await LayerStore.open(join(root, 'overlay'), this.helper, silentLogger),
      helper: this.helper,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      platform: AMD64,
      registry: { mirrors: options.mirrors ?? [] },
      users: () => this.users,
      emit: (e) => this.events.push(`${e.action} ${e.id}`),
    });
  }

  ref(name: string, tag = 'latest'): string {
    return `${this.registry.address}/${name}:${tag}`;
  }

  layerDirs(): readonly string[] {
    return readdirSync(join(this.dir, 'overlay')).filter((n) => /^[0-9a-f]{64}$/.test(n));
  }

  blobs(): readonly string[] {
    return readdirSync(join(this.dir, 'images', 'blobs', 'sha256')).map((n) => `sha256:${n}`);
  }

  async pull(reference: string, options: Parameters<ImageService['pull']>[1] = {}) {
    const progress: PullProgress[] = [];
    const id = await this.images.pull(reference, { onProgress: (p) => progress.push(p), ...options });
    return { id, progress };
  }
}
