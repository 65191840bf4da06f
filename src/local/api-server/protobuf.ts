import type { JsonMap } from "./json-value.ts";
import { isMap, textAt } from "./json-value.ts";
import { unsupportedMediaType } from "./status-error.ts";

/**
 * kubectl's `create namespace|secret|configmap|serviceaccount` send protobuf and nothing else, so these messages are read here.
 * Field numbers are those of k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery's meta/v1/generated.proto.
 */
type Field = readonly [name: string, type: Type];
type Type =
  "string" | "bytes" | "bool" | Message | { readonly map: "string" | "bytes" } | { readonly list: "string" | Message };
interface Message {
  readonly fields: Readonly<Record<number, Field>>;
}

const localReference: Message = { fields: { 1: ["name", "string"] } };
const owner: Message = {
  fields: {
    1: ["kind", "string"],
    3: ["name", "string"],
    4: ["uid", "string"],
    5: ["apiVersion", "string"],
    6: ["controller", "bool"],
    7: ["blockOwnerDeletion", "bool"],
  },
};
const metadata: Message = {
  fields: {
    1: ["name", "string"],
    2: ["generateName", "string"],
    3: ["namespace", "string"],
    5: ["uid", "string"],
    6: ["resourceVersion", "string"],
    11: ["labels", { map: "string" }],
    12: ["annotations", { map: "string" }],
    13: ["ownerReferences", { list: owner }],
    14: ["finalizers", { list: "string" }],
  },
};
const kinds: Readonly<Record<string, Message>> = {
  Namespace: { fields: { 1: ["metadata", metadata] } },
  ConfigMap: {
    fields: {
      1: ["metadata", metadata],
      2: ["data", { map: "string" }],
      3: ["binaryData", { map: "bytes" }],
      4: ["immutable", "bool"],
    },
  },
  Secret: {
    fields: {
      1: ["metadata", metadata],
      2: ["data", { map: "bytes" }],
      3: ["type", "string"],
      4: ["stringData", { map: "string" }],
      5: ["immutable", "bool"],
    },
  },
  ServiceAccount: {
    fields: {
      1: ["metadata", metadata],
      3: ["imagePullSecrets", { list: localReference }],
      4: ["automountServiceAccountToken", "bool"],
    },
  },
};
const typeMeta: Message = { fields: { 1: ["apiVersion", "string"], 2: ["kind", "string"] } };
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

interface Token {
  readonly number: number;
  readonly bytes: Buffer;
  readonly varint: number;
}

function varintAt(buffer: Buffer, at: number): [value: number, next: number] {
  let value = 0;
  for (let i = 0; i < 10; i += 1) {
    const byte = buffer[at + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, at + i + 1];
  }
  throw unsupportedMediaType(["application/json"]);
}

function* tokens(buffer: Buffer): Generator<Token> {
  const none = Buffer.alloc(0);
  let at = 0;
  while (at < buffer.length) {
    const [key, start] = varintAt(buffer, at);
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === VARINT) {
      const [varint, next] = varintAt(buffer, start);
      yield { number, bytes: none, varint };
      at = next;
    } else if (wire === LENGTH) {
      const [length, next] = varintAt(buffer, start);
      yield { number, bytes: buffer.subarray(next, next + length), varint: 0 };
      at = next + length;
    } else if (wire === FIXED64 || wire === FIXED32) {
      at = start + (wire === FIXED64 ? 8 : 4);
    } else {
      throw unsupportedMediaType(["application/json"]);
    }
  }
}

function scalar(type: Exclude<Type, object>, token: Token): unknown {
  if (type === "bool") return token.varint !== 0;
  return token.bytes.toString(type === "bytes" ? "base64" : "utf8");
}

function value(type: Type, token: Token, before: unknown): unknown {
  if (typeof type === "string") return scalar(type, token);
  if ("map" in type) {
    const entry = message({ fields: { 1: ["key", "string"], 2: ["value", type.map] } }, token.bytes);
    return { ...(isMap(before) ? before : {}), [textAt(entry, "key")]: entry["value"] ?? "" };
  }
  if ("list" in type) {
    const item = type.list === "string" ? token.bytes.toString() : message(type.list, token.bytes);
    return [...(Array.isArray(before) ? (before as unknown[]) : []), item];
  }
  return message(type, token.bytes);
}

/** Empty strings are what protobuf writes for fields that are not set. */
function message(type: Message, buffer: Buffer): JsonMap {
  const out: JsonMap = {};
  for (const token of tokens(buffer)) {
    const field = type.fields[token.number];
    if (field === undefined) continue;
    const [name, fieldType] = field;
    const read = value(fieldType, token, out[name]);
    if (read !== "" || name === "value") out[name] = read;
  }
  return out;
}

export function isProtobuf(body: Buffer): boolean {
  return body.subarray(0, MAGIC.length).equals(MAGIC);
}

/** The object in Kubernetes' protobuf envelope; kinds without a table above are refused, and the client sends JSON or fails. */
export function decodeProtobuf(body: Buffer): JsonMap {
  const parts = new Map([...tokens(body.subarray(MAGIC.length))].map((token) => [token.number, token.bytes]));
  const type = message(typeMeta, parts.get(1) ?? Buffer.alloc(0));
  const known = type["apiVersion"] === "v1" ? kinds[String(type["kind"])] : undefined;
  if (known === undefined) throw unsupportedMediaType(["application/json", "application/yaml"]);
  return { ...type, ...message(known, parts.get(2) ?? Buffer.alloc(0)) };
}
