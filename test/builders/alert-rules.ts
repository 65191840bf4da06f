import { load } from "js-yaml";
import { read } from "../house/sources.ts";

/** charts/weir/files/alerts.yaml, as its readers see it. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export const ruleFile = (): RuleFile => load(read("charts/weir/files/alerts.yaml")) as RuleFile;
export const alertRules = (): readonly AlertRule[] => ruleFile().groups.flatMap((group) => group.rules);

/**
 * The same rules in a hurry: what takes minutes takes seconds. Nothing else changes but how long a watch may be silent,
 * because an API server sends a bookmark once a minute and no sooner.
 */
export function hurriedRules(silenceSeconds: number, rules: RuleFile = ruleFile()): RuleFile {
  const groups = rules.groups.map(({ name, rules: of }) => ({
    name,
    rules: of.map((rule) => ({
      ...rule,
      ...(rule.for === undefined ? {} : { for: "1s" }),
      ...(rule.keep_firing_for === undefined ? {} : { keep_firing_for: "1s" }),
      expr: rule.expr.replace(
        "(weir_kube_watch_silence_seconds) > 180",
        `(weir_kube_watch_silence_seconds) > ${silenceSeconds}`,
      ),
    })),
  }));
  return { groups };
}

export interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}
export interface DashboardFile {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  readonly panels: readonly DashboardPanel[];
}

export const DASHBOARDS = ["charts/weir/files/dashboards/fleet.json", "charts/weir/files/dashboards/job.json"] as const;
export const dashboard = (file: string): DashboardFile => JSON.parse(read(file)) as DashboardFile;

/** Every expression of a dashboard; Grafana's own variable for the window of a rate is filled in. */
export function expressionsOf({ panels, templating }: DashboardFile): string[] {
  const shown = panels.flatMap((panel) => (panel.targets ?? []).map((target) => target.expr));
  const asked = templating.list.flatMap(({ query }) => /^label_values\((.*), \w+\)$/.exec(query)?.[1] ?? []);
  return [...shown, ...asked].map((expr) => expr.replaceAll("$__rate_interval", "5m"));
}
