/**
 * What a file of the Container Device Interface says. Vendors' programs write these files, and a node may have several of them: one
 * that has not the right shape is told of as a whole, so that nothing is taken from it by half.
 */
import { SwarmtsError } from '@swarmts/lib';
import { parse as parseYaml } from 'yaml';
import type { OciHook } from './oci-spec.js';

export interface FileEdits {
  readonly env: readonly string[];
  readonly deviceNodes: readonly {
    readonly path: string;
    readonly hostPath: string | undefined;
    readonly permissions: string;
  }[];
  readonly mounts: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly options: readonly string[] | undefined;
  }[];
  readonly hooks: readonly { readonly hookName: string; readonly hook: OciHook }[];
}

export interface CdiFile {
  /** "vendor.com/class" */
  readonly kind: string;
  readonly edits: FileEdits;
  readonly devices: readonly { readonly name: string; readonly edits: FileEdits }[];
}

const KIND = /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*$/;
const DEVICE_NAME = /^[A-Za-z0-9][\w.:-]*$/;
const HOOK_NAMES = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'];

/** JSON is YAML as well. Throws 'invalid-argument' with the field that is wrong. */
export function parseCdiFile(text: string): CdiFile {
  const doc = fieldsOf(parseYaml(text), 'the file');
  const kind = textOf(doc.kind, 'kind');
  if (!KIND.test(kind)) throw wrong(`kind is "${kind}" and not of the form "vendor.com/class"`);
  return {
    kind,
    edits: editsOf(doc.containerEdits, 'containerEdits'),
    devices: listOf(doc.devices, 'devices', (value, where) => {
      const device = fieldsOf(value, where);
      const name = textOf(device.name, `${where}.name`);
      if (!DEVICE_NAME.test(name)) throw wrong(`${where}.name is "${name}", which no device can have`);
      return { name, edits: editsOf(device.containerEdits, `${where}.containerEdits`) };
    }),
  };
}

function editsOf(value: unknown, where: string): FileEdits {
  const edits = fieldsOf(value ?? {}, where);
  return {
    env: listOf(edits.env, `${where}.env`, textOf),
    deviceNodes: listOf(edits.deviceNodes, `${where}.deviceNodes`, (node, at) => {
      const { path, hostPath, permissions } = fieldsOf(node, at);
      return {
        path: textOf(path, `${at}.path`),
        hostPath: optional(hostPath, `${at}.hostPath`, textOf),
        permissions: optional(permissions, `${at}.permissions`, permissionsOf) ?? 'rwm',
      };
    }),
    mounts: listOf(edits.mounts, `${where}.mounts`, (mount, at) => {
      const { hostPath, containerPath, options } = fieldsOf(mount, at);
      return {
        hostPath: textOf(hostPath, `${at}.hostPath`),
        containerPath: textOf(containerPath, `${at}.containerPath`),
        options: optional(options, `${at}.options`, (list, there) => listOf(list, there, textOf)),
      };
    }),
    hooks: listOf(edits.hooks, `${where}.hooks`, hookOf),
  };
}

function hookOf(value: unknown, where: string): FileEdits['hooks'][number] {
  const { hookName, path, args, env, timeout } = fieldsOf(value, where);
  const name = textOf(hookName, `${where}.hookName`);
  if (!HOOK_NAMES.includes(name)) throw wrong(`${where}.hookName is "${name}": ${HOOK_NAMES.join(', ')} are known`);
  const seconds = optional(timeout, `${where}.timeout`, wholeNumber);
  return {
    hookName: name,
    hook: {
      path: textOf(path, `${where}.path`),
      ...(args == null ? {} : { args: listOf(args, `${where}.args`, textOf) }),
      ...(env == null ? {} : { env: listOf(env, `${where}.env`, textOf) }),
      ...(seconds === undefined ? {} : { timeout: seconds }),
    },
  };
}

type Read<T> = (value: unknown, where: string) => T;

/** A list that is missing is an empty one. */
function listOf<T>(value: unknown, where: string, read: Read<T>): readonly T[] {
  if (value == null) return [];
  if (!Array.isArray(value)) throw wrong(`${where} is not a list`);
  return value.map((item: unknown, i) => read(item, `${where}[${i}]`));
}

function optional<T>(value: unknown, where: string, read: Read<T>): T | undefined {
  return value == null ? undefined : read(value, where);
}

function fieldsOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${where} has no fields`);
  return { ...value };
}

function textOf(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(`${where} is not a text`);
  return value;
}

function permissionsOf(value: unknown, where: string): string {
  const text = textOf(value, where);
  if (!/^[rwm]+$/.test(text)) throw wrong(`${where} is "${text}" and not of the letters r, w and m`);
  return text;
}

function wholeNumber(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(`${where} is not a whole number`);
  return value;
}

function wrong(what: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', what);
}
