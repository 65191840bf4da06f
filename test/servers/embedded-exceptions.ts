/**
 * Where the embedded API server answers differently on purpose. The same list, with reasons, is in
 * docs/concepts/embedded-cluster.md; a test holds the two together.
 */
import type { RecordedCall } from "./recording-proxy.ts";

interface Exception {
  readonly title: string;
  readonly path?: RegExp;
  /** Matched against `pointer: real != embedded`. */
  readonly difference: RegExp;
}

export const exceptions: readonly Exception[] = [
  {
    title: "discovery and OpenAPI list only the kinds that it has",
    path: /^\/(openapi\/|apis?(\/[^/?]+(\/[^/?]+)?)?($|\?))/,
    difference: /^\/body/,
  },
  {
    title: "an accepted definition is stored as it was written",
    difference: /\/openAPIV3Schema\/.*: undefined != \{\}$/,
  },
  {
    title: "nobody owns the status of a definition",
    path: /\/customresourcedefinitions/,
    difference: /^\/body\/metadata\/managedFields\//,
  },
  { title: "OpenAPI v2 is not served", path: /^\/openapi\/v2/, difference: /./ },
  {
    title: "kinds that Weir never uses are not there",
    path: /^\/(apis\/(apps|batch|autoscaling)\/|api\/v1\/namespaces\/[^/]+\/replicationcontrollers)/,
    difference: /./,
  },
  { title: "a refused change of a pod is not shown as a diff", difference: /pod updates may not change fields/ },
  {
    title: "nobody owns the time of a deletion",
    difference: /\/managedFields\/\d+\/fieldsV1\/f:metadata.*f:deletionTimestamp/,
  },
  { title: "the version names itself", path: /^\/version/, difference: /^\/body/ },
];

export function exceptionFor(call: RecordedCall, difference: string): string | undefined {
  return exceptions.find((e) => (e.path?.test(call.path) ?? true) && e.difference.test(difference))?.title;
}
