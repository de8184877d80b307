/** Devices of the host that a container gets by name, and the rules of its cgroup for them. */
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import type { DeviceMapping, Throttle } from '../engine/container-config.js';
import { deviceNumbers } from './machine-facts.js';
import type { OciDevice, OciDeviceRule } from './oci-spec.js';

export interface GivenDevices {
  readonly devices: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
}

/** A directory gives every device below it. */
export function givenDevices(mappings: readonly DeviceMapping[]): GivenDevices {
  const found = mappings.flatMap((m) =>
    devicesAt(m.hostPath, m.containerPath).map((device) => ({ device, access: m.permissions })),
  );
  return {
    devices: found.map((f) => f.device),
    rules: found.map(({ device: { type, major, minor }, access }) => ({ allow: true, type, major, minor, access })),
  };
}

/** "c 1:3 mr" as a rule; its form was checked before. */
export function deviceRule(text: string): OciDeviceRule {
  const [type = '', numbers = '', access = ''] = text.split(' ');
  const [major = '*', minor = '*'] = numbers.split(':');
  return {
    allow: true,
    access,
    ...(type === 'c' || type === 'b' ? { type } : { type: 'a' }),
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
  };
}

export interface DeviceValue {
  readonly major: number;
  readonly minor: number;
  readonly value: number;
}

export function numbersOf(throttles: readonly Throttle[] | undefined): readonly DeviceValue[] {
  return (throttles ?? []).map(({ path, value }) => {
    try {
      return { ...deviceNumbers(statSync(path).rdev), value };
    } catch (e) {
      throw new SwarmtsError('invalid-argument', `stat ${path}: ${reason(e)}`);
    }
  });
}

function devicesAt(hostPath: string, containerPath: string): OciDevice[] {
  const wrong = (why: string) =>
    new SwarmtsError(
      'invalid-argument',
      `error gathering device information while adding custom device "${hostPath}": ${why}`,
    );
  let s: ReturnType<typeof statSync>;
  try {
    s = statSync(hostPath);
  } catch (e) {
    throw wrong(reason(e));
  }
  if (s.isDirectory()) {
    return readdirSync(hostPath).flatMap((name) => {
      const below = lstatSync(join(hostPath, name));
      const wanted = below.isDirectory() || below.isCharacterDevice() || below.isBlockDevice();
      return wanted ? devicesAt(join(hostPath, name), join(containerPath, name)) : [];
    });
  }
  if (!s.isCharacterDevice() && !s.isBlockDevice()) throw wrong('not a device node');
  const type = s.isBlockDevice() ? 'b' : 'c';
  const { major, minor } = deviceNumbers(Number(s.rdev));
  return [{ path: containerPath, type, major, minor, fileMode: Number(s.mode) & 0o777, uid: s.uid, gid: s.gid }];
}

function reason(e: unknown): string {
  return errnoOf(e) === 'ENOENT' ? 'no such file or directory' : errnoOf(e) || String(e);
}
