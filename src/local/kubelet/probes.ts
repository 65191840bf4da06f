import { request } from "node:http";
import type { Probe } from "./pod.ts";

/** One probe of one running container; `onChange` is called with the verdict whenever it flips. */
export interface ProbeTarget {
  readonly ip: string;
  /** Maps a container port to the one that the process listens on. */
  readonly port: (wanted: number | string) => number;
}

export interface ProbeRun {
  stop(): void;
}

export function startProbe(probe: Probe, target: ProbeTarget, onChange: (healthy: boolean) => void): ProbeRun {
  const period = (probe.periodSeconds ?? 10) * 1000;
  const needed = { up: probe.successThreshold ?? 1, down: probe.failureThreshold ?? 3 };
  let verdict: boolean | undefined;
  let streak = 0;
  let last: boolean | undefined;
  let timer: NodeJS.Timeout;
  let stopped = false;

  const tick = async (): Promise<void> => {
    const ok = await ask(probe, target);
    if (stopped) return;
    streak = ok === last ? streak + 1 : 1;
    last = ok;
    if (ok !== verdict && streak >= (ok ? needed.up : needed.down)) {
      verdict = ok;
      onChange(ok);
    }
    timer = setTimeout(() => void tick(), period);
  };
  timer = setTimeout(() => void tick(), (probe.initialDelaySeconds ?? 0) * 1000);
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Kubernetes' rule: any status from 200 to 399 is healthy. A probe of another kind than httpGet counts as healthy. */
function ask(probe: Probe, { ip, port }: ProbeTarget): Promise<boolean> {
  const { httpGet } = probe;
  if (httpGet === undefined) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timeout = (probe.timeoutSeconds ?? 1) * 1000;
    const call = request(
      { host: ip, port: port(httpGet.port), path: httpGet.path ?? "/", timeout, agent: false },
      (response) => {
        response.resume();
        const status = response.statusCode ?? 0;
        resolve(status >= 200 && status < 400);
      },
    );
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(false));
    call.end();
  });
}
