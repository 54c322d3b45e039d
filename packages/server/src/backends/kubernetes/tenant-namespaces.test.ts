import { afterEach, beforeEach, expect, test } from "vitest";
import type { Log } from "../shared/log.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { ApiListener } from "./fixtures/api-listener.ts";
import { someSettings } from "./fixtures/specs.ts";
import { TenantNamespaces } from "./tenant-namespaces.ts";

const place = "/api/v1/namespaces/client-acme";
const policyPath = "/apis/networking.k8s.io/v1/namespaces/client-acme/networkpolicies/sandbox-isolation";
const quotaPath = `${place}/resourcequotas/wharf-quota`;

let api: ApiListener;
let cluster: Cluster;
let warnings: unknown[];

beforeEach(async () => {
  api = await ApiListener.open();
  cluster = await api.connect();
  warnings = [];
});
afterEach(async () => {
  cluster.close();
  await api[Symbol.asyncDispose]();
});

const log = { info: () => undefined, warn: (what: unknown) => void warnings.push(what) } as Log;
const ensure = (settings = someSettings) => new TenantNamespaces(cluster, settings, log).ensure("client-acme");

// G-053
test("a changed network policy, quota or limit range is restored, regardless of its annotations", async () => {
  await ensure();
  const policy = api.get(policyPath)!;
  const quota = api.get(quotaPath)!;
  api.put(policyPath, { ...policy, spec: { podSelector: {}, policyTypes: ["Ingress"] } });
  api.put(quotaPath, { ...quota, spec: { hard: { pods: "9999" } } });
  await ensure();
  expect(api.get(policyPath)?.["spec"]).toEqual(policy["spec"]);
  expect(api.get(quotaPath)?.["spec"]).toEqual(quota["spec"]);
  expect(warnings).toEqual([
    { namespace: "client-acme", name: "sandbox-isolation" },
    { namespace: "client-acme", name: "wharf-quota" },
  ]);
});

test("additions of others to an object stay, and correct objects cause no warning", async () => {
  await ensure();
  const policy = api.get(policyPath)!;
  api.put(policyPath, { ...policy, metadata: { ...policy.metadata, labels: { "argocd.argoproj.io/instance": "x" } } });
  await ensure();
  expect(api.get(policyPath)?.metadata).toMatchObject({ labels: { "argocd.argoproj.io/instance": "x" } });
  expect(warnings).toEqual([]);
});

test.each([
  ["another owner's", { team: "billing" }],
  ["another Wharf server's", { "app.kubernetes.io/managed-by": "wharf", "wharf.dev/instance": "another" }],
])("a namespace that is %s is refused, and nothing is written into it", async (_, labels) => {
  api.put(place, { metadata: { labels } });
  const refused = await ensure().catch((error: unknown) => error);
  expect(refused).toMatchObject({
    code: "namespace_foreign",
    next: expect.stringContaining("kubectl label namespace client-acme wharf.dev/allow=true"),
  });
  expect([...api.getSentPaths("POST"), ...api.getSentPaths("PUT")]).toEqual([]);
});

test("a namespace labelled by its owner is used, and its network policy applies to runners only", async () => {
  api.put(place, { metadata: { labels: { team: "billing", "wharf.dev/allow": "true" } } });
  await ensure();
  expect(api.get(policyPath)).toMatchObject({
    spec: { podSelector: { matchLabels: { "app.kubernetes.io/component": "runner" } } },
  });
  expect(api.get(place)?.metadata).toMatchObject({ labels: { team: "billing" } });
});

test("a namespace that a concurrent call has just created is accepted", async () => {
  await Promise.all([ensure(), ensure(), ensure()]);
  expect(api.get(place)?.metadata).toMatchObject({ labels: { "wharf.dev/instance": someSettings.instance } });
  expect(warnings).toEqual([]);
});

test("a fixed namespace is neither read nor created", async () => {
  await ensure({ ...someSettings, namespaces: { fixed: "client-acme" } });
  expect(api.requests.filter(({ path }) => path === place || path === "/api/v1/namespaces")).toEqual([]);
  expect(api.get(quotaPath)).toBeDefined();
});
