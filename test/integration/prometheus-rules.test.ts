import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dump } from "js-yaml";
import { alertRules, dashboard, DASHBOARDS, expressionsOf } from "../builders/alert-rules.ts";
import { promtool } from "../servers/prometheus.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "weir-promtool-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("promtool", () => {
  it.each(["charts/weir/files/alerts.yaml", "config/prometheus/rules.yaml"])("accepts %s", async (file) => {
    const checked = await promtool(["check", "rules", file]);
    expect(checked.output).toContain(`SUCCESS: ${alertRules().length} rules found`);
    expect(checked.code).toBe(0);
  });

  it.each(alertRules().map((rule) => rule.alert))("proves when %s fires, and when not", async (alert) => {
    const tested = await promtool(["test", "rules", `test/prometheus/${alert}.yaml`]);
    expect(tested.output).toContain("SUCCESS");
    expect(tested.code).toBe(0);
  });

  it.each(DASHBOARDS)("parses every expression of %s", async (file) => {
    const expressions = expressionsOf(dashboard(file));
    const rules = expressions.map((expr, i) => ({ record: `panel:${i}`, expr }));
    const wrapped = join(dir, "dashboard.yaml");
    writeFileSync(wrapped, dump({ groups: [{ name: "panels", rules }] }));
    const checked = await promtool(["check", "rules", wrapped]);
    expect(checked.output).toContain(`SUCCESS: ${expressions.length} rules found`);
    expect(checked.code).toBe(0);
  });
});
