import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toWharfError } from "../failures.ts";
import { writeKubeconfig } from "../fixtures/api-listener.ts";
import { type Cluster, openCluster } from "./cluster.ts";

/** Answers like an API server in trouble, which a real one cannot be made to do. */
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let server: Server;
let port: number;
let folder: string;
let cluster: Cluster;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
  folder = mkdtempSync(join(tmpdir(), "wharf-kubeconfig-"));
  const kubeconfig = writeKubeconfig(folder, port);
  cluster = await openCluster({ kubeconfig, inCluster: false });
});
afterEach(() => {
  cluster.close();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

const say = (response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}) =>
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const none = { kind: "PodList", items: [], metadata: { resourceVersion: "7" } };

test("a throttling server gets the next request only after the time it asks for", async () => {
  const times: number[] = [];
  answer = (_, response) => {
    times.push(performance.now());
    if (times.length < 3) return say(response, 429, { kind: "Status", message: "slow down" }, { "retry-after": "1" });
    return say(response, 200, none);
  };
  const list = await cluster.core.listPodForAllNamespaces({});
  expect(list.metadata?.resourceVersion).toBe("7");
  expect(times).toHaveLength(3);
  expect(times[2]! - times[0]!).toBeGreaterThan(1_900);
});

test("a request waits for a server that restarts", async () => {
  let asked = 0;
  answer = (request, response) => (++asked === 1 ? request.socket.destroy() : say(response, 200, none));
  await cluster.core.listPodForAllNamespaces({});
  expect(asked).toBe(2);
  server.closeAllConnections();
  server.close();
  const listing = cluster.core.listPodForAllNamespaces({});
  await sleep(300);
  server = createServer((request, response) => answer(request, response)).listen(port, "127.0.0.1");
  await listing;
  expect(asked).toBe(3);
});

test("the body of a DELETE arrives, as does the next request on the same connection", async () => {
  const bodies: string[] = [];
  answer = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      bodies.push(body);
      say(response, 200, { kind: "Status", status: "Success" });
    });
  };
  const at = { namespace: "t", name: "p", body: { gracePeriodSeconds: 0 } };
  await cluster.core.deleteNamespacedPod(at);
  await cluster.core.deleteNamespacedPod(at);
  expect(bodies.map((body) => JSON.parse(body))).toEqual([{ gracePeriodSeconds: 0 }, { gracePeriodSeconds: 0 }]);
});

test.each([
  [403, { reason: "Forbidden", message: 'pods is forbidden: User "x" cannot list resource' }, "cluster_forbidden"],
  [401, { reason: "Unauthorized", message: "Unauthorized" }, "cluster_forbidden"],
  [403, { reason: "Forbidden", message: 'pods "p" is forbidden: exceeded quota: wharf-quota' }, "quota_exceeded"],
  [
    403,
    { reason: "Forbidden", message: "x", details: { causes: [{ reason: "NamespaceTerminating" }] } },
    "namespace_ending",
  ],
  [422, { reason: "Invalid", message: "spec is wrong" }, "backend_failed"],
])("an answer of %i becomes an error with a next step", async (status, body, code) => {
  answer = (_, response) => say(response, status, { kind: "Status", ...body });
  const failed = cluster.core
    .listNamespacedPod({ namespace: "t" })
    .catch((error: unknown) => toWharfError(error, cluster));
  expect(await failed).toMatchObject({ code });
});

test("a request that no role grants is never sent", async () => {
  answer = () => expect.unreachable("it was sent");
  await expect(cluster.core.listNamespacedSecret({ namespace: "kube-system" })).rejects.toThrow("no role grants");
});
