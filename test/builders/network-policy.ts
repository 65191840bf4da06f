/** What NetworkPolicies let through, as Kubernetes defines it: https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
import { BlockList, isIPv6 } from "node:net";

type Labels = Readonly<Record<string, string>>;
interface Selector {
  readonly matchLabels?: Labels;
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}
interface Rule {
  readonly ports?: readonly { readonly port: number; readonly protocol?: string }[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}
export interface NetworkPolicy {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly ("Ingress" | "Egress")[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}

/** A pod, or an address outside the cluster. */
export type End = { readonly namespace: string; readonly labels: Labels } | { readonly address: string };

const isPod = (end: End): end is Extract<End, { labels: Labels }> => "labels" in end;
const selects = ({ matchLabels = {} }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
const namespaceLabels = (name: string): Labels => ({ "kubernetes.io/metadata.name": name });

export const policiesOf = (policies: readonly NetworkPolicy[], end: End): NetworkPolicy[] =>
  policies.filter(
    (p) => isPod(end) && p.metadata.namespace === end.namespace && selects(p.spec.podSelector, end.labels),
  );

/** Whether a TCP connection may be opened: what leaves `from` must be allowed there, and what comes to `to` there. */
export function mayConnect(policies: readonly NetworkPolicy[], from: End, to: End, port: number): boolean {
  const leaves = policiesOf(policies, from).filter((p) => p.spec.policyTypes.includes("Egress"));
  const enters = policiesOf(policies, to).filter((p) => p.spec.policyTypes.includes("Ingress"));
  const out = leaves.length === 0 || leaves.some((p) => p.spec.egress?.some((r) => allows(p, r, { end: to, port })));
  const into =
    enters.length === 0 || enters.some((p) => p.spec.ingress?.some((r) => allows(p, r, { end: from, port })));
  return out && into;
}

function allows(policy: NetworkPolicy, rule: Rule, { end, port }: { end: End; port: number }): boolean {
  const peers = rule.from ?? rule.to ?? [];
  const onPort = rule.ports === undefined || rule.ports.some((p) => p.port === port && p.protocol !== "UDP");
  return onPort && (peers.length === 0 || peers.some((peer) => isPeer(policy, peer, end)));
}

function isPeer(policy: NetworkPolicy, peer: Peer, end: End): boolean {
  if (!isPod(end)) return peer.ipBlock !== undefined && isIn(peer.ipBlock, end.address);
  if (peer.ipBlock !== undefined) return false;
  const inNamespace =
    peer.namespaceSelector === undefined
      ? end.namespace === policy.metadata.namespace
      : selects(peer.namespaceSelector, namespaceLabels(end.namespace));
  return inNamespace && selects(peer.podSelector ?? {}, end.labels);
}

function isIn({ cidr, except = [] }: NonNullable<Peer["ipBlock"]>, address: string): boolean {
  const within = (block: string): boolean => {
    const [net = "", bits = "0"] = block.split("/");
    if (isIPv6(net) !== isIPv6(address)) return false;
    const family = isIPv6(net) ? "ipv6" : "ipv4";
    const list = new BlockList();
    list.addSubnet(net, Number(bits), family);
    return list.check(address, family);
  };
  return within(cidr) && !except.some(within);
}
