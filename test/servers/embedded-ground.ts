import { fixedServer } from "../../src/kube/credentials.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { createObject, crdObjects } from "./crd-objects.ts";
import { startGround, type Ground } from "./weir-ground.ts";

export interface EmbeddedGround {
  readonly api: Awaited<ReturnType<typeof startApiServer>>;
  readonly ground: Ground;
  stop(): Promise<void>;
}

/** The embedded API server with Weir's kinds, and everything of Weir but the operator on it. */
export async function startEmbeddedGround(): Promise<EmbeddedGround> {
  const api = await startApiServer();
  for (const crd of crdObjects()) await createObject(api, crd);
  const ground = await startGround(fixedServer(api.url));
  return {
    api,
    ground,
    stop: async () => {
      await ground.stop();
      await api.stop();
    },
  };
}
