import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { load } from "js-yaml";
import { Agent, request } from "undici";

const crds = join(import.meta.dirname, "../../crds");

/** The product's definitions as objects. */
export function crdObjects(): { metadata: { name: string } }[] {
  const files = readdirSync(crds).filter((file) => file.endsWith(".yaml"));
  return files.map((file) => load(readFileSync(join(crds, file), "utf8")) as { metadata: { name: string } });
}

/** Installs a definition and waits until the server serves it. */
export async function createObject(
  target: { readonly url: string; readonly token?: string },
  crd: { metadata: { name: string } },
): Promise<void> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const headers = {
    "content-type": "application/json",
    ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
  };
  const path = `${target.url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions`;
  try {
    const created = await request(path, { method: "POST", headers, body: JSON.stringify(crd), dispatcher });
    const text = await created.body.text();
    if (created.statusCode !== 201) throw new Error(`${crd.metadata.name}: ${created.statusCode} ${text}`);
    const [plural, ...group] = crd.metadata.name.split(".");
    const served = `${target.url}/apis/${group.join(".")}/v1alpha1/${plural}`;
    // Established is announced before every part of the real server has heard of it.
    for (const deadline = performance.now() + 60_000; performance.now() < deadline;) {
      const { statusCode, body } = await request(served, { headers, dispatcher });
      await body.dump();
      if (statusCode === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${crd.metadata.name} is not served`);
  } finally {
    await dispatcher.close();
  }
}
