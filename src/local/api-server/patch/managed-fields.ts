import { isMap } from "../json-value.ts";
import type { KubeObject, ManagedFieldsEntry } from "../object.ts";
import { withMeta } from "../object.ts";
import type { Schema } from "../schema/structural.ts";
import type { Cause } from "../status-error.ts";
import { StatusError } from "../status-error.ts";
import { compare } from "./compare.ts";
import type { FieldSet } from "./field-set.ts";
import {
  difference,
  fromFieldsV1,
  intersection,
  isEmpty,
  pathText,
  paths,
  toFieldsV1,
  union,
  without,
  withoutMember,
} from "./field-set.ts";

/** Who writes, how, and through which door: the identity under which fields are owned. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
}

export interface Owner extends Manager {
  readonly time: string | undefined;
  readonly fields: FieldSet;
}
export type Owners = ReadonlyMap<string, Owner>;

const STAMPED = [
  "name",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "clusterName",
  "generation",
  "managedFields",
  "resourceVersion",
];

export function managerId(m: Manager): string {
  return JSON.stringify([m.manager, m.operation, m.apiVersion, m.subresource]);
}

/** Fields that the server stamps belong to nobody. */
export function strip(set: FieldSet): FieldSet {
  let out = without(without(set, ["f:apiVersion"]), ["f:kind"]);
  for (const field of STAMPED) out = without(out, ["f:metadata", `f:${field}`]);
  return withoutMember(out, ["f:metadata"]);
}

export function ownersOf(object: KubeObject | undefined): Owners {
  const entries = object?.metadata.managedFields ?? [];
  const owners = entries
    .filter((entry) => entry.fieldsType === "FieldsV1")
    .map((entry): Owner => {
      return {
        manager: entry.manager,
        operation: entry.operation,
        apiVersion: entry.apiVersion,
        subresource: entry.subresource ?? "",
        time: entry.time,
        fields: fromFieldsV1(entry.fieldsV1),
      };
    });
  return new Map(owners.map((owner) => [managerId(owner), owner]));
}

function entryOf(owner: Owner): ManagedFieldsEntry {
  return {
    manager: owner.manager,
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time === undefined ? {} : { time: owner.time }),
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(owner.fields),
    ...(owner.subresource === "" ? {} : { subresource: owner.subresource }),
  };
}

/** Applied before updated, then by time, then by name: the order of the real server. */
export function withOwners(object: KubeObject, owners: Owners): KubeObject {
  const order = (owner: Owner): string =>
    [owner.operation, owner.time ?? "", owner.manager, owner.subresource].join("\u0000");
  const sorted = [...owners.values()].toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  return withMeta(object, { managedFields: sorted.length === 0 ? undefined : sorted.map(entryOf) });
}

const withoutOwners = (object: KubeObject | undefined): unknown =>
  object === undefined ? undefined : withMeta(object, { managedFields: undefined });

export interface Transition {
  readonly live: unknown;
  readonly next: KubeObject;
  readonly schema: Schema;
  readonly owners: Owners;
  readonly manager: Manager;
  /** Absent for writers that leave no time: the scale subresource. */
  readonly time: string | undefined;
}

interface Settlement {
  readonly owners: Map<string, Owner>;
  readonly taken: Map<Owner, FieldSet>;
  readonly changed: FieldSet;
  /** True when a value differs, removals included. */
  readonly isChange: boolean;
}

/** Takes changed and removed fields away from everybody but the manager; what was taken is the conflict. */
function settle(t: Transition): Settlement {
  const { added, removed, modified } = compare(
    isMap(t.live) ? withoutOwners(t.live as KubeObject) : {},
    withoutOwners(t.next),
    t.schema,
  );
  const changed = strip(union(added, modified));
  const own = managerId(t.manager);
  const owners = new Map<string, Owner>();
  const taken = new Map<Owner, FieldSet>();
  for (const [id, owner] of t.owners) {
    const lost = id === own ? undefined : intersection(owner.fields, changed);
    if (lost !== undefined && !isEmpty(lost)) taken.set(owner, lost);
    const fields = difference(lost === undefined ? owner.fields : difference(owner.fields, lost), removed);
    if (!isEmpty(fields)) owners.set(id, { ...owner, fields });
  }
  return { owners, taken, changed, isChange: !isEmpty(changed) || !isEmpty(strip(removed)) };
}

/** The time of an entry is that of the last write of its manager that changed a value. */
function stamped(t: Transition, settled: Pick<Settlement, "owners">, fields: FieldSet, isWrite: boolean): Owners {
  const id = managerId(t.manager);
  const owners = new Map(settled.owners);
  if (isEmpty(fields)) owners.delete(id);
  else owners.set(id, { ...t.manager, fields, time: isWrite ? t.time : t.owners.get(id)?.time });
  return owners;
}

/** Ownership after a create, update or patch: the writer owns what it changed. */
export function afterUpdate(t: Transition): Owners {
  const settled = settle(t);
  const before = settled.owners.get(managerId(t.manager))?.fields;
  const fields = before === undefined ? settled.changed : union(before, settled.changed);
  return stamped(t, settled, fields, !isEmpty(settled.changed));
}

export interface Application {
  /** What the configuration states. */
  readonly fields: FieldSet;
  readonly force: boolean;
  /** Conflicts about these are no conflicts: client-side apply set them for the same user. */
  readonly allowed: FieldSet;
}

/** Ownership after an apply: exactly what the configuration states. Without force, fields of others are a conflict. */
export function afterApply(t: Transition, application: Application): Owners {
  const settled = settle(t);
  const refused = [...settled.taken]
    .map(([owner, set]) => [owner, difference(set, application.allowed)] as const)
    .filter(([, set]) => !isEmpty(set));
  if (refused.length > 0 && !application.force) throw applyConflict(new Map(refused));
  return stamped(t, settled, application.fields, settled.isChange);
}

function ownerText(owner: Owner): string {
  const subresource = owner.subresource === "" ? "" : ` with subresource "${owner.subresource}"`;
  const using = owner.operation === "Update" ? ` using ${owner.apiVersion}` : "";
  return `${JSON.stringify(owner.manager)}${subresource}${using}`;
}

function applyConflict(taken: ReadonlyMap<Owner, FieldSet>): StatusError {
  const sorted = [...taken].toSorted(([a], [b]) => (managerId(a) < managerId(b) ? -1 : 1));
  const causes: Cause[] = sorted.flatMap(([owner, set]) =>
    paths(set).map((path) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${ownerText(owner)}`,
      field: pathText(path),
    })),
  );
  const [only, second] = causes;
  const text =
    only !== undefined && second === undefined
      ? `1 conflict: ${only.message}: ${only.field}`
      : `${causes.length} conflicts: ${sorted
          .flatMap(([owner, set]) => [
            `conflicts with ${ownerText(owner)}:`,
            ...paths(set).map((path) => `- ${pathText(path)}`),
          ])
          .join("\n")}`;
  return new StatusError(409, "Conflict", `Apply failed with ${text}`, { causes });
}
