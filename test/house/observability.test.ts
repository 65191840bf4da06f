import { describe, expect, it } from "vitest";
import { alertRules, dashboard, DASHBOARDS, expressionsOf } from "../builders/alert-rules.ts";
import { listFiles, read } from "./sources.ts";

const rules = alertRules();
const reference = new Set(
  [...read("docs/reference/metrics.md").matchAll(/^\| `(\w+)` \|/gm)].map((m) => m[1] as string),
);

/** Metrics that an expression reads; a histogram by its own name. */
function metricsIn(expr: string): string[] {
  const names = [...expr.matchAll(/\b(?:weir|process)_\w+/g)].map((m) => m[0]);
  return names.map((name) => (reference.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "")));
}

const pages = (): string[] =>
  listFiles("docs/runbooks/*.md")
    .map((file) => file.replace(/^docs\/runbooks\/|\.md$/g, ""))
    .filter((name) => name !== "README");

describe("the alerts", () => {
  it("have a runbook each, and no runbook is without its alert", () => {
    expect(pages().toSorted()).toEqual(rules.map((rule) => rule.alert).toSorted());
    const overview = read("docs/runbooks/README.md");
    for (const { alert, annotations } of rules) {
      expect(annotations["runbook_url"]).toBe(`docs/runbooks/${alert}.md`);
      expect(overview).toContain(`[${alert}](${alert}.md)`);
    }
  });

  it("have runbooks that say what is wrong, what it does, how to look at it by which command, and what to do", () => {
    for (const { alert } of rules) {
      const page = read(`docs/runbooks/${alert}.md`);
      const sections = [...page.matchAll(/^## (.*)$/gm)].map((m) => m[1]);
      expect(sections, alert).toEqual(["Meaning", "Impact", "Diagnosis", "Mitigation"]);
      expect(page, alert).toMatch(/```sh\nkubectl/);
    }
  });

  it("have a test each of when they fire, when they do not, and when they end", () => {
    for (const { alert } of rules) {
      const test = read(`test/prometheus/${alert}.yaml`);
      expect(test, alert).toMatch(/exp_alerts:\n/);
      expect(test, alert).toMatch(/exp_alerts: \[\]/);
      expect(test.match(/^ {2}- name: /gm)?.length, alert).toBeGreaterThanOrEqual(2);
    }
    expect(listFiles("test/prometheus/*.yaml")).toHaveLength(rules.length);
  });

  it("say how bad it is and what it is, and the job's namespace where it is about a job", () => {
    for (const { alert, labels, annotations, expr } of rules) {
      expect(["critical", "warning"], alert).toContain(labels["severity"]);
      expect(annotations["summary"], alert).toBeTruthy();
      expect(annotations["description"], alert).toBeTruthy();
      if (expr.includes("job_name")) expect(labels["namespace"], alert).toBe("{{ $labels.job_namespace }}");
    }
  });
});

describe("what reads the metrics", () => {
  it("reads only metrics that are in the reference", () => {
    const asked = [...rules.map((rule) => rule.expr), ...DASHBOARDS.flatMap((file) => expressionsOf(dashboard(file)))];
    const unknown = asked.flatMap(metricsIn).filter((name) => !reference.has(name));
    expect(unknown).toEqual([]);
    expect(asked.flatMap(metricsIn).length).toBeGreaterThan(50);
  });

  it("shows every metric of a job in a dashboard", () => {
    const shown = new Set(DASHBOARDS.flatMap((file) => expressionsOf(dashboard(file))).flatMap(metricsIn));
    const conditionsToo = ["weir_job_reconciliation_paused"];
    expect([...reference].filter((name) => name.startsWith("weir_job_") && !shown.has(name))).toEqual(conditionsToo);
  });
});

describe.each(DASHBOARDS)("%s", (file) => {
  const { uid, title, schemaVersion, panels, templating } = dashboard(file);
  const graphs = panels.filter((panel) => panel.type !== "row");

  it("is a dashboard that Grafana 10.2 and newer can load, by an address that stays", () => {
    expect(schemaVersion).toBe(39);
    expect(uid).toMatch(/^weir-[a-z]+$/);
    expect(title).toMatch(/^Weir \/ /);
    expect(templating.list[0]?.name).toBe("datasource");
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
  });

  it("has panels that ask the chosen data source something, and do not overlap", () => {
    for (const panel of graphs) {
      expect(panel.targets?.length, panel.title).toBeGreaterThan(0);
      expect(panel.datasource, panel.title).toEqual({ type: "prometheus", uid: "${datasource}" });
      expect(panel.gridPos.x + panel.gridPos.w, panel.title).toBeLessThanOrEqual(24);
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});
