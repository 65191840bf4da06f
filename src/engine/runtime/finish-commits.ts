import { WeirError } from "../../errors.ts";
import { COMPLETED } from "../checkpoint/layout.ts";
import { transactionOf, WAYS_OUT } from "../checkpoint/newest.ts";
import type { LoadedPart } from "../checkpoint/snapshot-reader.ts";
import type { Storage } from "../checkpoint/storage.ts";
import type { SinkWriter } from "../connectors/connector.ts";

/** Makes the commits of a restored checkpoint that its own worker did not come to, and notes that they are made. */
export async function finishCommits(
  { uri, manifest, unfinished }: LoadedPart,
  { writers, storage }: { writers: ReadonlyMap<string, SinkWriter>; storage: Storage },
): Promise<void> {
  const finished = unfinished === undefined;
  for (const sink of manifest.sinks) {
    const recover = writers.get(sink.node)?.recover;
    if (recover !== undefined) await recover(sink.handle, finished);
    else if (!finished && sink.decides !== true) throw unpublishable(uri, sink);
  }
  if (unfinished !== undefined) await storage.create(`${unfinished}/${COMPLETED}`, Buffer.from("{}\n"));
}

/** The sink was taken out, renamed, or no longer delivers exactly once: nobody can commit what it has written. */
function unpublishable(uri: string, sink: LoadedPart["manifest"]["sinks"][number]): WeirError {
  return new WeirError(
    "DELIVERY_AT_RISK",
    `the output of ${uri} was not committed, and the job has no such sink any more: ${transactionOf(sink)}. ` +
      `Change the sink back. ${WAYS_OUT}`,
  );
}
