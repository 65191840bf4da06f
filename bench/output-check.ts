import type { KafkaServer } from "../test/servers/kafka.ts";
import type { OutputRecord, Workload } from "./workloads/workload.ts";

/**
 * Compares what is in an output topic, read with another Kafka client, with what must be there: the same rows, each as
 * often, in any order.
 */
export function outputCheck(kafka: KafkaServer, workload: Workload, count: number): (topic: string) => Promise<void> {
  const numbers = new Map<string, number>();
  const times: number[] = [];
  for (const row of workload.expected(count)) {
    const number = numbers.get(row) ?? times.push(0) - 1;
    numbers.set(row, number);
    times[number] = (times[number] as number) + 1;
  }
  return async (topic) => {
    const missing = Int32Array.from(times);
    const wrong: string[] = [];
    await kafka.consumeEach(topic, ({ value }) => {
      const row = workload.row(JSON.parse(value) as OutputRecord);
      if (row === undefined) return;
      const number = numbers.get(row);
      if (number === undefined || (missing[number] as number) === 0) wrong.push(row);
      else missing[number] = (missing[number] as number) - 1;
    });
    const lost = missing.reduce((sum, n) => sum + n, 0);
    if (wrong.length === 0 && lost === 0) return;
    const first = [...numbers].find(([, number]) => (missing[number] as number) > 0)?.[0] ?? "";
    throw new Error(
      `${topic} is wrong: ${lost} rows are missing, the first "${first}"; ` +
        `${wrong.length} are too many, the first "${wrong[0] ?? ""}"`,
    );
  };
}
