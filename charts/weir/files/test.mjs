// Run by `helm test` with the operator's own image. A pod that has just become ready may not be behind its Service yet.
const url = process.env.OPERATOR_URL;
const deadline = Date.now() + 60_000;

async function get(path) {
  for (;;) {
    const answer = await fetch(url + path, { signal: AbortSignal.timeout(5_000) }).then(
      async (response) => ({ ok: response.ok, text: await response.text() }),
      (error) => ({ ok: false, text: String(error.cause ?? error) }),
    );
    if (answer.ok) return answer.text;
    if (Date.now() > deadline) throw new Error(`${url}${path}: ${answer.text}`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

console.log(`ready: ${(await get("/readyz")).trim()}`);
const metrics = await get("/metrics");
const names = new Set(metrics.match(/^weir_\w+/gm) ?? []);
if (names.size === 0) throw new Error(`${url}/metrics has no metric of Weir`);
console.log(`metrics: ${names.size} of Weir`);
