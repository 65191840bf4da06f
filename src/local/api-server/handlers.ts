import { bind } from "./binding.ts";
import { mapOf } from "./body.ts";
import type { Answer, Call } from "./call.ts";
import { stored } from "./call.ts";
import { deleteCollection, deletion } from "./deletion.ts";
import { patch } from "./patching.ts";
import { list, requestedRevision } from "./reading.ts";
import { scale } from "./scale.ts";
import { methodNotAllowed, tooLargeRevision, unknownResource } from "./status-error.ts";
import { create, update } from "./write.ts";

type Handler = (call: Call) => Answer;

function get(call: Call): Answer {
  const asked = requestedRevision(call);
  const current = call.cluster.store.revision();
  if (asked > current) throw tooLargeRevision(asked, current);
  return { code: 200, body: stored(call) };
}

function put(call: Call): Answer {
  return { code: 200, body: update(call, stored(call), mapOf(call.body, "an object")) };
}

function post(call: Call): Answer {
  return { code: 201, body: create(call, mapOf(call.body, "an object")) };
}

const collection: Readonly<Record<string, Handler>> = { GET: list, POST: post, DELETE: deleteCollection };
const item: Readonly<Record<string, Handler>> = { GET: get, PUT: put, PATCH: patch, DELETE: deletion };
const status: Readonly<Record<string, Handler>> = { GET: get, PUT: put, PATCH: patch };
const binding: Readonly<Record<string, Handler>> = { POST: bind };
const scaling: Readonly<Record<string, Handler>> = { GET: scale, PUT: scale, PATCH: scale };

function handlersFor(call: Call): Readonly<Record<string, Handler>> {
  if (call.subresource === "status" && call.resource.hasStatus) return status;
  if (call.subresource === "scale" && call.resource.scale !== undefined) return scaling;
  if (call.subresource === "binding" && call.resource.kind === "Pod") return binding;
  if (call.subresource !== "") throw unknownResource();
  return call.name === "" ? collection : item;
}

export function handle(call: Call): Answer {
  const handler = handlersFor(call)[call.method];
  const needsNamespace = call.method === "POST" && call.resource.namespaced && call.namespace === "";
  if (handler === undefined || needsNamespace) throw methodNotAllowed();
  return handler(call);
}
