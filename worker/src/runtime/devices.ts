/** Devices of the host that a container gets by name, and the rules of its cgroup for them. */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import type { DeviceMapping, Throttle } from '../engine/container-config.js';
import { deviceNumbers } from './machine-facts.js';
import type { OciDevice, OciDeviceRule } from './oci-spec.js';

export interface GivenDevices {
  readonly devices: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
}

/** A directory gives every device below it, and must have one. */
export function givenDevices(mappings: readonly DeviceMapping[]): GivenDevices {
  const found = mappings.flatMap((m) => devicesOf(m).map((device) => ({ device, access: m.permissions })));
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

function devicesOf({ hostPath, containerPath }: DeviceMapping): OciDevice[] {
  const wrong = (why: string) => {
    const what = `error gathering device information while adding custom device "${hostPath}"`;
    return new SwarmtsError('invalid-argument', `${what}: ${why}`);
  };
  let s: Stats;
  try {
    s = statSync(hostPath);
  } catch (e) {
    throw wrong(reason(e));
  }
  const devices = s.isDirectory() ? devicesBelow(hostPath, containerPath) : [deviceOf(s, containerPath)];
  const found = devices.filter((d) => d !== undefined);
  if (found.length === 0) throw wrong('not a device node');
  return found;
}

/** What cannot be looked at is left out, as other files are. */
function devicesBelow(hostPath: string, containerPath: string): (OciDevice | undefined)[] {
  return readdirSync(hostPath).flatMap((name) => {
    const [below, inside] = [join(hostPath, name), join(containerPath, name)];
    const s = lstatSync(below, { throwIfNoEntry: false });
    return s?.isDirectory() ? devicesBelow(below, inside) : s ? [deviceOf(s, inside)] : [];
  });
}

function deviceOf(s: Stats, path: string): OciDevice | undefined {
  if (!s.isCharacterDevice() && !s.isBlockDevice()) return undefined;
  const { major, minor } = deviceNumbers(s.rdev);
  return { path, type: s.isBlockDevice() ? 'b' : 'c', major, minor, fileMode: s.mode & 0o777, uid: s.uid, gid: s.gid };
}

function reason(e: unknown): string {
  return errnoOf(e) === 'ENOENT' ? 'no such file or directory' : errnoOf(e) || String(e);
}
