import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadAllYaml } from "@kubernetes/client-node";
import { version } from "@wharf/contract";
import { expect, test } from "vitest";
import { z } from "zod";
import { parseApiCall } from "./api-call.ts";
import {
  isPermitted,
  nodePermissions,
  type Permission,
  permissions,
  tenantPermissions,
  usagePermissions,
} from "./permissions.ts";

const deployed = join(import.meta.dirname, "../../../../../../deploy/kubernetes");
const Rule = z.object({
  apiGroups: z.array(z.string()),
  resources: z.array(z.string()),
  resourceNames: z.array(z.string()).optional(),
  verbs: z.array(z.string()),
});
const Role = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
  rules: z.array(Rule).default([]),
});

/** Reads the rules of a manifest's roles, each as one line, grouped by where they apply. */
function granted(file: string): Record<string, string[]> {
  const objects = z.array(Role).parse(loadAllYaml(readFileSync(join(deployed, file), "utf8")));
  const roles = objects.filter(({ kind }) => kind.endsWith("Role"));
  return Object.fromEntries(
    roles.map(({ kind, metadata, rules }) => [
      kind === "ClusterRole" ? "everywhere" : metadata.namespace,
      rules.flatMap(formatRule).toSorted(),
    ]),
  );
}

const formatRule = ({ apiGroups, resources, resourceNames, verbs }: z.infer<typeof Rule>) =>
  apiGroups.flatMap((group) =>
    resources.map(
      (resource) => formatPermission({ group, resource, verbs }) + (resourceNames ? ` of ${resourceNames.join()}` : ""),
    ),
  );

const formatPermission = ({ group, resource, verbs }: Permission) =>
  `${group}/${resource}: ${verbs.toSorted().join(" ")}`;
const sorted = (all: readonly Permission[]) => all.map(formatPermission).toSorted();

// S-048, G-054
test("the deployed roles grant exactly the verbs that the code may use", () => {
  expect(granted("base/rbac.yaml")).toEqual({
    "wharf-runners": sorted(permissions),
    wharf: ["/secrets: get of wharf-registry"],
    everywhere: sorted(nodePermissions),
  });
  expect(granted("overlays/tenant-namespaces/role.yaml")).toEqual({
    everywhere: sorted([...permissions, ...tenantPermissions]),
  });
  expect(granted("overlays/kubelet-usage/role.yaml")).toEqual({ everywhere: sorted(usagePermissions) });
});

test("a deployment uses this version's image tag for the server and its runners", () => {
  const base = readFileSync(join(deployed, "base/kustomization.yaml"), "utf8");
  const example = readFileSync(join(deployed, "production-config.example.env"), "utf8");
  expect(base).toContain(`- WHARF_IMAGE_TAG=${version}\n`);
  expect(base).toContain(`- name: wharf-server\n    newTag: ${version}\n`);
  expect(example).toContain(`\nWHARF_IMAGE_TAG=${version}\n`);
});

const verbs: Readonly<Record<string, string>> = { read: "get", replace: "update" };
const plural = (kind: string) => {
  const one = kind.toLowerCase();
  return one.endsWith("y") ? `${one.slice(0, -1)}ies` : `${one}s`;
};
/** The client has no method that is named after these calls. */
const byOtherMeans = [
  "watch pods",
  // GET opens a stream; current clusters also require the right to create.
  "get pods/exec",
  "create pods/exec",
  // This call goes through the kubelets' proxy.
  "get nodes/proxy",
];

/** Finds the calls in the sources, by the names of the client's methods. */
function called(): string[] {
  const folder = join(import.meta.dirname, "..");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /(?<!test)\.ts$/.test(name),
  );
  const source = files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
  const method =
    /\b(?:core|apps|networking)\s*\.(create|read|list|replace|patch|delete)(?:Namespaced)?([A-Z]\w*?)(?:ForAllNamespaces)?\(/g;
  const calls = [...source.matchAll(method)].map(([, verb = "", kind = ""]) => {
    const resource = kind === "PodLog" ? "pods/log" : plural(kind);
    return `${verbs[verb] ?? verb} ${resource}`;
  });
  return [...new Set([...calls, ...byOtherMeans])].toSorted();
}

// S-048
test("the sources use every granted verb", () => {
  const all = [...permissions, ...tenantPermissions, ...nodePermissions, ...usagePermissions];
  const allowed = all.flatMap(({ resource, verbs: of }) => of.map((verb) => `${verb} ${resource}`));
  // The role grants the only readable secret by its name.
  expect(called()).toEqual([...allowed, "get secrets"].toSorted());
});

test("the server can read only the image pull secret and cannot change the cluster's own objects", () => {
  const verbsOn = (resource: string) =>
    permissions.filter((one) => one.resource === resource).flatMap(({ verbs }) => verbs);
  expect(verbsOn("secrets")).toEqual(["create", "update"]);
  expect(verbsOn("nodes")).toEqual([]);
  expect(verbsOn("namespaces")).toEqual([]);
  expect(permissions.flatMap(({ verbs }) => verbs)).not.toContain("*");
});

test.each([
  ["POST", "/api/v1/namespaces", "create namespaces"],
  ["GET", "/api/v1/namespaces/client-a", "get namespaces"],
  ["GET", "/api/v1/pods?labelSelector=a%3Db", "list pods"],
  ["GET", "/api/v1/pods?watch=true", "watch pods"],
  ["DELETE", "/api/v1/namespaces/client-a/pods/runner-1", "delete pods client-a"],
  ["GET", "/api/v1/namespaces/client-a/pods/runner-1/log?tailLines=2", "get pods/log client-a"],
  ["PATCH", "/apis/apps/v1/namespaces/client-a/statefulsets/runner-1", "patch statefulsets client-a"],
  ["PUT", "/api/v1/namespaces/client-a/secrets/runner-1", "update secrets client-a"],
  ["GET", "/api/v1/nodes/one/proxy/stats/summary", "get nodes/proxy"],
])("%s %s maps to its name in access rules", (method, path, expected) => {
  const { verb, resource, namespace } = parseApiCall(method, `https://cluster${path}`);
  expect([verb, resource, namespace].filter(Boolean).join(" ")).toBe(expected);
});

test("a call that no role grants is recognized", () => {
  expect(isPermitted(parseApiCall("GET", "https://cluster/api/v1/namespaces/kube-system/secrets"))).toBe(false);
  expect(isPermitted(parseApiCall("DELETE", "https://cluster/api/v1/namespaces/client-a"))).toBe(false);
  expect(isPermitted(parseApiCall("GET", "https://cluster/api/v1/pods"))).toBe(true);
});
