import type { Resource } from "./resource.ts";
import { storageKey } from "./resource.ts";
import type { Cause } from "./status-error.ts";

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS_1123_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

interface NameRule {
  pattern: RegExp;
  longest: number;
  complaint: string;
}

const subdomain: NameRule = {
  pattern: SUBDOMAIN,
  longest: 253,
  complaint:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
};
const label: NameRule = {
  pattern: DNS_1123_LABEL,
  longest: 63,
  complaint:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
};
const label1035: NameRule = {
  pattern: DNS_1035_LABEL,
  longest: 63,
  complaint:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
};

const byKind: Readonly<Record<string, NameRule>> = { "/namespaces": label, "/services": label1035 };

function quoted(name: string): string {
  return `Invalid value: ${JSON.stringify(name)}: `;
}

export function nameCauses(resource: Resource, name: string): Cause[] {
  const field = "metadata.name";
  if (name === "") {
    return [{ reason: "FieldValueRequired", message: "Required value: name or generateName is required", field }];
  }
  const rule = byKind[storageKey(resource)] ?? subdomain;
  const complaints = [
    ...(name.length > rule.longest ? [`must be no more than ${rule.longest} bytes`] : []),
    ...(rule.pattern.test(name) ? [] : [rule.complaint]),
  ];
  return complaints.map((text) => ({ reason: "FieldValueInvalid", message: quoted(name) + text, field }));
}

const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const LONGEST_GENERATED = 63;

/** `generateName` plus five random letters that cannot spell words. */
export function generatedName(base: string, random: () => number = Math.random): string {
  const suffix = Array.from({ length: 5 }, () => SUFFIX_LETTERS[Math.floor(random() * SUFFIX_LETTERS.length)]);
  return base.slice(0, LONGEST_GENERATED - 5) + suffix.join("");
}

const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const QUALIFIED_COMPLAINT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_COMPLAINT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

function keyComplaints(key: string): string[] {
  const name = key.slice(key.indexOf("/") + 1);
  return [
    ...(name.length > 63 ? ["name part must be no more than 63 bytes"] : []),
    ...(QUALIFIED.test(name) ? [] : [QUALIFIED_COMPLAINT]),
  ];
}

export function labelCauses(labels: Readonly<Record<string, string>>): Cause[] {
  const field = "metadata.labels";
  return Object.entries(labels).flatMap(([key, value]) => {
    const complaints = [
      ...keyComplaints(key).map((text) => quoted(key) + text),
      ...(value.length > 63 ? [`${quoted(value)}must be no more than 63 bytes`] : []),
      ...(LABEL_VALUE.test(value) ? [] : [quoted(value) + VALUE_COMPLAINT]),
    ];
    return complaints.map((message) => ({ reason: "FieldValueInvalid", message, field }));
  });
}
