import { afterEach, beforeEach, expect, test } from "vitest";
import type { Log } from "../shared/log.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { ApiListener } from "./fixtures/api-listener.ts";
import { someSettings } from "./fixtures/specs.ts";
import { TenantNamespaces } from "./tenant-namespaces.ts";

const source = "/api/v1/namespaces/wharf/secrets/registry";
const copy = "/api/v1/namespaces/client-acme/secrets/registry";
const type = "kubernetes.io/dockerconfigjson";
const data = (content: string) => ({ ".dockerconfigjson": Buffer.from(content).toString("base64") });

let api: ApiListener;
let cluster: Cluster;
let warnings: unknown[];

beforeEach(async () => {
  api = await ApiListener.open();
  cluster = await api.connect({ pullSecret: "registry" });
  warnings = [];
});
afterEach(async () => {
  cluster.close();
  await api[Symbol.asyncDispose]();
});

const log = { info: () => undefined, warn: (what: unknown) => void warnings.push(what) } as Log;
const tenants = () => new TenantNamespaces(cluster, { ...someSettings, imagePullSecret: "registry" }, log);

test("the pull secret is copied from the server's namespace to a tenant's, and again after a change", async () => {
  api.put(source, { type, data: data("old") });
  await tenants().ensure("client-acme");
  expect(api.get(copy)).toMatchObject({ type, data: data("old") });
  api.put(source, { type, data: data("new") });
  await tenants().ensure("client-acme");
  expect(api.get(copy)).toMatchObject({ type, data: data("new") });
  expect(api.getSentPaths("GET")).not.toContain(copy);
});

test("if the server has no pull secret, one that someone put into the runners' namespace stays, with one warning", async () => {
  api.put(copy, { type, data: data("by a person") });
  const one = tenants();
  await one.ensure("client-acme");
  await one.ensure("client-other");
  expect(api.get(copy)).toMatchObject({ data: data("by a person") });
  expect(warnings).toMatchObject([{ secret: "registry", namespace: "wharf" }]);
});

test("a role that may not read the pull secret does not prevent a start", async () => {
  api.put(source, { type, data: data("x") });
  api.refuse = ({ method, path }) => (method === "GET" && path === source ? 403 : undefined);
  await tenants().ensure("client-acme");
  expect(api.get(copy)).toBeUndefined();
  expect(warnings).toHaveLength(1);
});

test("a Secret of another type is never copied", async () => {
  api.put(source, { type: "Opaque", data: { key: "c2VjcmV0" } });
  await expect(tenants().ensure("client-acme")).rejects.toMatchObject({ code: "config_invalid" });
  expect(api.get(copy)).toBeUndefined();
});

// S-048
test("no other secret can be read, and this one in no other namespace", async () => {
  const read = (namespace: string, name: string) => cluster.core.readNamespacedSecret({ namespace, name });
  await expect(read("wharf", "wharf-keys")).rejects.toThrow("no role grants");
  await expect(read("client-acme", "registry")).rejects.toThrow("no role grants");
  expect(api.requests).toEqual([]);
});
