import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Command, EXIT, type Terminal, UsageError } from "../cli/command.ts";
import { explainJob } from "../cli/why.ts";
import { planJob } from "../controllers/streamingjob/planned-job.ts";
import { type JobObject, streamingJobs } from "../controllers/weir-resources.ts";
import { explain as explainPlan } from "../engine/planner/explain.ts";
import { messageOf } from "../errors.ts";
import { createKubeClient } from "../kube/client.ts";
import { serverFromKubeconfig } from "../kube/kubeconfig.ts";
import { createTransport } from "../kube/transport.ts";
import { parseManifests } from "../local/manifests.ts";

/** Commands about one job. */
const why: Command = {
  name: "why",
  summary: "Explains where a job stands: conditions, what each rule waits for, what was decided and why.",
  usage: "JOB [--namespace NS] [--kubeconfig FILE]",
  run: async (args, io) => {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { namespace: { type: "string", short: "n" }, kubeconfig: { type: "string" } },
    });
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) throw new UsageError("name exactly one job");
    const server = await serverFromKubeconfig(await kubeconfigPath(values.kubeconfig));
    const transport = createTransport({ server });
    try {
      const client = createKubeClient(transport);
      const namespace = values.namespace ?? server.namespace;
      const job = await client.find<JobObject>(streamingJobs, { namespace, name });
      if (job === undefined) {
        io.err(`there is no StreamingJob "${name}" in namespace "${namespace}"`);
        return EXIT.failed;
      }
      for (const line of explainJob(job)) io.out(line);
      return EXIT.ok;
    } finally {
      await transport.close();
    }
  },
};

/** --kubeconfig, else KUBECONFIG, else a running `weir local`, else the user's own. */
async function kubeconfigPath(given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const fromEnvironment = process.env["KUBECONFIG"];
  if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
  const local = join(process.cwd(), ".weir/local/kubeconfig");
  const isThere = await readFile(local).then(
    () => true,
    () => false,
  );
  return isThere ? local : join(process.env["HOME"] ?? "", ".kube/config");
}

const explain: Command = {
  name: "explain",
  summary: "Shows how a job's pipeline runs: what the user wrote, the chains it becomes, and what each worker does.",
  usage: "FILE",
  run: async (args, io) => {
    const [file, ...rest] = parseArgs({ args: [...args], allowPositionals: true, options: {} }).positionals;
    if (file === undefined || rest.length > 0) throw new UsageError("name exactly one file");
    const text = await readFile(file, "utf8").catch((e: unknown) => {
      throw new Error(`cannot read ${file}: ${messageOf(e)}`, { cause: e });
    });
    const jobs = parseManifests(text, file).filter((o) => o.kind === "StreamingJob");
    if (jobs.length === 0) throw new UsageError(`${file} has no StreamingJob`);
    const told = jobs.map((job) => explainOne(job, io));
    return told.every((ok) => ok) ? EXIT.ok : EXIT.failed;
  },
};

function explainOne(job: JobObject, io: Terminal): boolean {
  const { plan, refusal, effective } = planJob(job.spec);
  if (plan !== undefined) io.out(explainPlan(plan, effective?.state.backend));
  if (refusal !== undefined) io.err(`${job.metadata.name}: ${refusal.reason}: ${refusal.message}`);
  return refusal === undefined;
}

export const jobCommands: readonly Command[] = [why, explain];
