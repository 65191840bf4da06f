import { z } from "zod";
import { listOf, looseObject, stringMap } from "./value-types.ts";

/** Values of objects beside the operator: storage, network, monitoring. */

export const stateClaimValues = z
  .strictObject({
    create: z.boolean().default(true).describe("Makes the claim in each watched namespace."),
    name: z
      .string()
      .min(1)
      .default("weir-state")
      .describe("Its name; with `create: false` the name of your own claim."),
    size: z.string().min(1).default("10Gi").describe("Space of each claim."),
    accessModes: z
      .array(z.enum(["ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]))
      .min(1)
      .default(["ReadWriteMany"])
      .describe(
        "Workers of one job may be on several nodes, so ReadWriteMany. ReadWriteOnce is enough where all workers run on one node.",
      ),
    storageClassName: z
      .string()
      .nullable()
      .default(null)
      .describe('Empty value: the cluster\'s default class. "": no class, only a volume that fits.'),
    volumeName: z.string().default("").describe("Binds the claim to this PersistentVolume."),
    keep: z.boolean().default(true).describe("Keeps the claim, and so every checkpoint, on uninstall."),
    annotations: stringMap().describe("Annotations of the claim."),
  })
  .describe(
    "The volume with checkpoints, savepoints and files of jobs that mount nothing at /var/lib/weir themselves.",
  );

/** All destinations but the link-local ones, where clouds answer with credentials. */
const anywhere = {
  to: [
    { namespaceSelector: {} },
    { ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } },
    { ipBlock: { cidr: "::/0", except: ["fe80::/10", "fd00:ec2::254/128"] } },
  ],
};

export const networkPolicyValues = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        "Makes NetworkPolicies that deny everything but what is listed here. The cluster's network must enforce them.",
      ),
    metricsFrom: listOf("object").describe(
      "Who may scrape operator and workers, as NetworkPolicyPeers: `[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]`.",
    ),
    dnsTo: listOf("object").describe("Name servers, as NetworkPolicyPeers. Empty: port 53 anywhere."),
    apiServer: z
      .strictObject({
        to: listOf("object").describe("The API server, as NetworkPolicyPeers. Empty: anywhere on its ports."),
        ports: z
          .array(z.int().min(1).max(65535))
          .min(1)
          .default([443, 6443])
          .describe("Ports of it, before and behind its Service; minikube has 8443, MicroK8s 16443."),
      })
      .describe("How the operator reaches the API server."),
    operatorEgress: listOf("object").describe("More NetworkPolicyEgressRules of the operator."),
    workerEgress: z
      .array(z.looseObject({}))
      .default([anywhere])
      .describe(
        "NetworkPolicyEgressRules of workers, beside DNS: what your jobs connect to. By default everything but link-local addresses.",
      ),
    workerIngress: listOf("object").describe("More NetworkPolicyIngressRules of workers."),
  })
  .describe("Who talks to whom.");

const scraping = (what: string) => ({
  enabled: z.boolean().default(false).describe(`Makes a ${what}; the cluster must have the kind.`),
  interval: z.string().default("").describe("Time between scrapes. Empty: Prometheus' own."),
  labels: stringMap().describe(`Labels that your Prometheus selects a ${what} by.`),
  relabelings: listOf("object").describe("Relabelings of targets."),
  metricRelabelings: listOf("object").describe("Relabelings of metrics."),
});

export const metricValues = z
  .strictObject({
    service: z
      .strictObject({
        enabled: z.boolean().default(true).describe("Makes a Service for the operator's metrics."),
        annotations: stringMap().describe("Annotations of it, for scrapers that go by them."),
      })
      .describe("The Service `<fullname>-metrics`."),
    serviceMonitor: z.strictObject(scraping("ServiceMonitor")).describe("Scrapes the operator. Needs the Service."),
    podMonitor: z.strictObject(scraping("PodMonitor")).describe("Scrapes the workers in the watched namespaces."),
    prometheusRule: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe("Makes a PrometheusRule with Weir's alerts; the cluster must have the kind."),
        labels: stringMap().describe("Labels that your Prometheus selects rules by."),
        runbookUrl: z
          .string()
          .default("docs/runbooks")
          .describe("Address of the folder with the runbooks' pages, for the link in each alert."),
      })
      .describe("Alerts, each with a runbook page."),
    dashboards: z
      .strictObject({
        enabled: z.boolean().default(false).describe("Makes a ConfigMap for each Grafana dashboard."),
        labels: z
          .record(z.string(), z.string())
          .default({ grafana_dashboard: "1" })
          .describe("Labels that Grafana's sidecar looks for."),
        annotations: looseObject({}).describe("Annotations, for example the folder."),
      })
      .describe("Grafana dashboards."),
  })
  .describe("Monitoring.");
