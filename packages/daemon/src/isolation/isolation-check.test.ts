import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { IsolationCheck } from "./index.ts";
import { isReachable } from "./reachability.ts";
import { parseTarget } from "./target.ts";

/**
 * This listener is stopped and its queue is full: the kernel leaves new connections unanswered,
 * like a firewall.
 */
let silent: string;
let fullListener: ChildProcess;
const queued: Socket[] = [];
beforeAll(async () => {
  const program = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })`;
  fullListener = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = await once(fullListener.stdout!, "data");
  fullListener.kill("SIGSTOP");
  const port = Number(output);
  for (let i = 0; i < 8; i++) queued.push(connect({ port, host: "127.0.0.1" }).on("error", () => undefined));
  silent = `127.0.0.1:${port}`;
  while (await isReachable({ host: "127.0.0.1", port }, 200));
});
afterAll(() => {
  for (const socket of queued) socket.destroy();
  fullListener.kill("SIGKILL");
});

const checks: IsolationCheck[] = [];
const servers: Server[] = [];
afterEach(async () => {
  for (const check of checks.splice(0)) check.stop();
  for (const server of servers.splice(0)) server.close();
});

async function startListener(): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

function check(targets: string[], environment: Record<string, string> = {}, everyMs = 60_000): IsolationCheck {
  const config = { isolation: "container" as const, isolation_check: { targets } };
  const one = new IsolationCheck({ config, environment, checkIntervalMs: everyMs });
  checks.push(one);
  return one;
}

async function waitForResult(one: IsolationCheck): Promise<void> {
  await expect.poll(() => one.state().isolation_check?.state, { timeout: 10_000 }).not.toBe("under_way");
}

// G-056
test("a connection or a refusal proves that packets pass, and silence does not", async () => {
  const port = await startListener();
  expect(await isReachable({ host: "127.0.0.1", port }, 1_000)).toBe(true);
  servers.pop()?.close();
  expect(await isReachable({ host: "127.0.0.1", port }, 1_000)).toBe(true);
  expect(await isReachable({ host: "127.0.0.1", port: Number(silent.split(":")[1]) }, 300)).toBe(false);
});

// G-053, G-056
test("a runner that gets a response reports unenforced isolation and the target that responded", async () => {
  const port = await startListener();
  const one = check([silent, "${PLACE}:" + String(port)], { PLACE: "127.0.0.1" });
  expect(one.state()).toEqual({ isolation: "container", isolation_check: { state: "under_way" } });
  await waitForResult(one);
  expect(one.state()).toEqual({
    isolation: "unenforced",
    isolation_check: { state: "unenforced", reason: `127.0.0.1:${port} is reachable from inside the runner` },
  });
});

test("if all targets are silent, isolation is enforced; without targets, nothing is reported", async () => {
  const one = check([silent]);
  await waitForResult(one);
  expect(one.state()).toEqual({ isolation: "container", isolation_check: { state: "held" } });
  expect(check(["${NOT_SET}:80"]).state()).toEqual({ isolation: "container" });
});

test("targets are addresses with variables of the environment", () => {
  expect(parseTarget("${A}:${B}", { A: "10.0.0.1", B: "443" })).toEqual({ host: "10.0.0.1", port: 443 });
  expect(parseTarget("${A}:${B}", { A: "fd00::1", B: "443" })).toEqual({ host: "fd00::1", port: 443 });
  expect(parseTarget("[fd00::1]:443", {})).toEqual({ host: "fd00::1", port: 443 });
  for (const bad of ["${A}:80", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", ":80", "api.example:443"])
    expect(parseTarget(bad, {})).toBeUndefined();
});

test("isolation that is removed later is noticed", async () => {
  const one = check([silent], {}, 50);
  await waitForResult(one);
  expect(one.state().isolation).toBe("container");
  fullListener.kill("SIGCONT");
  await expect.poll(() => one.state().isolation, { timeout: 10_000 }).toBe("unenforced");
});
