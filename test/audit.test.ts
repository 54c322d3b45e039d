import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, type AuditEntry } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { RunnerCommands } from "./support/runner-commands.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** What people do in runners is in the audit log. */
let folder: string;
let wharf: ServerHarness;
let runners: RunnerCommands;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  runners = new RunnerCommands(wharf);
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const list = async (query: { target?: string; action?: string; result?: "denied" }): Promise<AuditEntry[]> =>
  (await wharf.client.call(api.listAuditEntries, { query })).entries.toReversed();

// G-055 G-077
test("commands, transfers and terminals in a runner are recorded before they begin and when they end", async () => {
  const runner = await runners.create();
  expect((await runners.exec(runner, "echo hidden output; exit 3")).code).toBe(3);
  const file = join(folder, "data.csv");
  writeFileSync(file, "x".repeat(100_000));
  expect((await runners.run(["cp", file, `${runner.id}:input.csv`])).code).toBe(0);
  expect((await runners.run(["cp", `${runner.id}:input.csv`, join(folder, "copy.csv")])).code).toBe(0);
  expect(readFileSync(join(folder, "copy.csv"), "utf8")).toHaveLength(100_000);
  const recorded = async (action: string) =>
    (await list({ target: runner.id, action })).map(({ result, details, actor }) => ({ result, details, actor }));
  const actor = expect.objectContaining({ kind: "user", id: expect.any(String) });
  const command = expect.stringContaining("echo hidden output; exit 3");
  await eventually(async () => (await recorded("execRunner")).length, 2);
  expect(await recorded("execRunner")).toMatchObject([
    { result: "begun", actor, details: { command } },
    { result: "ok", actor, details: { command, complete: true } },
  ]);
  await eventually(async () => (await recorded("downloadRunnerFile")).at(-1)?.result, "ok");
  expect(await recorded("uploadRunnerFile")).toMatchObject([
    { result: "begun", details: { path: "input.csv" } },
    { result: "ok", details: { path: "input.csv" } },
  ]);
  const [, upload] = await recorded("uploadRunnerFile");
  expect(upload?.details?.["bytes_received"]).toBeGreaterThan(100_000);
  const [, download] = await recorded("downloadRunnerFile");
  expect(download?.details?.["bytes_sent"]).toBeGreaterThan(100_000);

  const { url, token } = await wharf.client.locate();
  const address = `${url.replace("http", "ws")}/api/v1/runners/${runner.id.slice(0, 8)}/terminals/new`;
  const socket = new WebSocket(address, { headers: { authorization: `Bearer ${token}`, "user-agent": "a-terminal" } });
  await once(socket, "open");
  expect(await recorded("openTerminal")).toMatchObject([{ result: "begun", actor, details: { terminal: "new" } }]);
  socket.send(JSON.stringify({ type: "take" }));
  await eventually(async () => (await recorded("takeTerminal")).length, 1);
  socket.close();
  await eventually(async () => (await recorded("closeTerminal")).length, 1);
  const log = JSON.stringify(await list({ target: runner.id }));
  expect(log).toContain("a-terminal");

  const stranger = new WebSocket(address, { headers: { authorization: "Bearer wrong" } });
  await once(stranger, "error");
  await eventually(async () => (await list({ action: "openStream", result: "denied" })).length, 1);
  const [refusal] = await list({ action: "openStream", result: "denied" });
  expect(refusal).toMatchObject({ actor: { kind: "anonymous" }, error: "unauthenticated", address: "127.0.0.1" });
});

test("a stop of the server is recorded before it, and the log continues after a start", async () => {
  expect((await wharf.cli("down")).code).toBe(0);
  await wharf.start();
  const [stop] = (await list({ action: "shutdown" })).toReversed();
  expect(stop).toMatchObject({ action: "shutdown", actor: { kind: "user" } });
});
