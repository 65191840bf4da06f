import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { withoutNulls } from "../api/violations.ts";
import { type Command, EXIT, UsageError } from "../cli/command.ts";
import { findingText, inOrder } from "../cli/lint/finding.ts";
import { lintObjects } from "../cli/lint/lint-objects.ts";
import { readFiles } from "../cli/lint/read-files.ts";
import { explainJob } from "../cli/why.ts";
import { admit } from "../controllers/admission.ts";
import { planJob } from "../controllers/streamingjob/planned-job.ts";
import { type JobObject, streamingJobs } from "../controllers/weir-resources.ts";
import { explain as explainPlan } from "../engine/planner/explain.ts";
import { createKubeClient } from "../kube/client.ts";
import { serverFromKubeconfig } from "../kube/kubeconfig.ts";
import { createTransport } from "../kube/transport.ts";

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
  usage: "FILE|-",
  run: async (args, io) => {
    const [file, ...rest] = parseArgs({ args: [...args], allowPositionals: true, options: {} }).positionals;
    if (file === undefined || rest.length > 0) throw new UsageError("name exactly one file");
    const { findings, jobs } = lintObjects(await readFiles([file], () => buffer(process.stdin)), admit);
    const errors = inOrder(findings.filter(({ severity }) => severity === "error"));
    if (jobs.length + errors.length === 0) throw new UsageError(`${file} has no StreamingJob`);
    for (const { object, plan } of jobs)
      io.out(explainPlan(plan, planJob(withoutNulls(object.value["spec"])).effective?.state.backend));
    for (const error of errors) io.err(findingText(error));
    return errors.length === 0 ? EXIT.ok : EXIT.failed;
  },
};

export const jobCommands: readonly Command[] = [why, explain];
