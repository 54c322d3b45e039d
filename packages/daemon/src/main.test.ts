import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { daemonApi, type ExecEvent } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { getAgentPath } from "./agent/fixtures/bench.ts";
import {
  createAgentStart,
  DaemonBench,
  endDaemon,
  isTurn,
  readRecords,
  runGit,
  runnerId,
  createPrompt,
  readUntil,
} from "./fixtures/daemon-bench.ts";
import { openJournal } from "./journal/index.ts";

let bench: DaemonBench;
beforeEach(() => {
  bench = new DaemonBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

// S-014
test("the daemon connects when a server appears, serves its routes, and shuts down cleanly", async () => {
  const daemon = bench.startDaemon();
  const server = await bench.serve({ epoch: 7 });
  const client = await server.client();
  const health = await client.call(daemonApi.health, {});
  expect(health).toMatchObject({
    runner_id: runnerId,
    isolation: "unsafe",
    agent: { status: "none" },
    workspace: { cloned: false },
    journal: { first: 1, last: 0, acked: 0 },
  });

  const events = await Array.fromAsync(
    client.stream(daemonApi.exec, { body: { command: "echo out; echo err >&2; exit 3" } }),
  );
  expect(events).toContainEqual({ type: "stdout", data: "out\n" });
  expect(events.at(-1)).toEqual({ type: "exit", exit_code: 3, signal: null, timed_out: false } satisfies ExecEvent);

  await expect(
    Array.fromAsync(client.stream(daemonApi.exec, { body: { command: "true", working_dir: "/etc" } })),
  ).rejects.toMatchObject({ code: "path_outside" });
  await expect(client.call(daemonApi.ackJournal, { body: { epoch: "other", seq: 0 } })).rejects.toMatchObject({
    code: "journal_epoch_changed",
  });
  await expect(readRecords(client, 5)).rejects.toMatchObject({ code: "journal_record_not_written" });
  await expect(client.call(daemonApi.gitDiff, { query: { base: "abcdef0" } })).rejects.toMatchObject({
    code: "workspace_not_cloned",
  });
  for (const [request, status, code] of [
    [
      { method: "POST", path: "/agent/prompt", body: "{", headers: { "content-type": "application/json" } },
      400,
      "bad_request",
    ],
    [
      { method: "POST", path: "/agent/prompt", body: "{}", headers: { "content-type": "application/json" } },
      400,
      "bad_request",
    ],
    [{ method: "GET", path: "/journal?after=-1" }, 400, "bad_request"],
    [{ method: "GET", path: "/nowhere" }, 404, "route_not_found"],
  ] as const) {
    const response = await client.request(request);
    expect(response.headers["content-type"]).toContain("application/problem+json");
    expect({ status: response.status, problem: JSON.parse(await text(response.body)) }).toMatchObject({
      status,
      problem: { code },
    });
  }
  expect(await endDaemon(daemon, "SIGTERM")).toBe(0);
});

test("a turn continues without a wire, and the next server reads all of it once", async () => {
  bench.startDaemon();
  const first = await bench.serve({ epoch: 1 });
  let client = await first.client();
  await client.call(daemonApi.startAgent, createAgentStart("for i in 1 2 3 4 5 6; do echo line $i; sleep 0.1; done"));
  await client.call(daemonApi.prompt, createPrompt("turn-1"));
  await readUntil(client, (record) => record.data.kind === "message" || record.data.kind === "output");
  await first.close();
  const second = await bench.serve({ epoch: 2 });
  client = await second.client();
  const receivedRecords = await readUntil(client, isTurn("ended"));
  expect(receivedRecords.map(({ seq }) => seq)).toEqual(receivedRecords.map((_, i) => i + 1));
  const texts = receivedRecords
    .map(({ data }) => (data.kind === "message" || data.kind === "output" ? data.text : ""))
    .join("");
  expect(texts.match(/line \d/g)).toEqual(["line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]);
  expect(await client.call(daemonApi.prompt, createPrompt("turn-1"))).toEqual({ duplicate: true });

  const { journal } = await client.call(daemonApi.health, {});
  expect(await client.call(daemonApi.ackJournal, { body: { epoch: journal.epoch, seq: journal.last } })).toMatchObject({
    acked: journal.last,
  });
});

const getTurnLogPath = () => join(bench.state, "turns.log");
const killedDaemons: Record<string, () => Promise<unknown>> = {
  "a daemon killed in a turn": async () => undefined,
  "a daemon killed in a turn whose turn log is garbled meanwhile": () => writeFile(getTurnLogPath(), randomBytes(400)),
  "a daemon killed in a turn whose turn log is removed meanwhile": () => rm(getTurnLogPath()),
};
test.each(Object.keys(killedDaemons))(
  "%s restarts with its journal, and the turn is interrupted and not run again",
  async (name) => {
    const daemon = bench.startDaemon();
    const server = await bench.serve({ epoch: 1 });
    let client = await server.client();
    await client.call(
      daemonApi.startAgent,
      createAgentStart(`echo $$ >> ${join(bench.folder, "ran")}; echo begun; exec sleep 30`),
    );
    await client.call(daemonApi.prompt, createPrompt("turn-1"));
    const before = await readUntil(client, (record) => JSON.stringify(record.data).includes("begun"));
    const { journal } = await client.call(daemonApi.health, {});
    await endDaemon(daemon, "SIGKILL");
    server.cut();
    await killedDaemons[name]?.();

    bench.startDaemon();
    client = await server.client();
    expect(await client.call(daemonApi.turn, { params: { turn_id: "turn-1" } })).toMatchObject({
      state: "INTERRUPTED",
    });
    const after = await readRecords(client);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.map(({ seq }) => seq)).toEqual(after.map((_, i) => i + 1));
    expect(after.filter(isTurn("interrupted"))).toHaveLength(1);
    expect((await client.call(daemonApi.health, {})).journal.epoch).toBe(journal.epoch);
    expect(await client.call(daemonApi.prompt, createPrompt("turn-1"))).toEqual({ duplicate: true });
    const ran = (await readFile(join(bench.folder, "ran"), "utf8")).trim().split("\n");
    expect(ran).toHaveLength(1);
    // Outside of a sandbox, only the test stops the processes of the killed daemon.
    try {
      process.kill(Number(ran[0]), "SIGKILL");
    } catch {
      // The restarted daemon has already stopped the process.
    }
  },
);

const listStateFiles = async () =>
  (await readdir(bench.state, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name));
const damages: Record<string, (path: string) => Promise<unknown>> = {
  empty: (path) => truncate(path),
  garbled: (path) => writeFile(path, randomBytes(300)),
  "far too large": (path) => truncate(path, 10e9),
  folders: async (path) => {
    await rm(path);
    await mkdir(join(path, "inside"), { recursive: true });
  },
};
test.each(Object.keys(damages))(
  "a daemon whose state files are %s starts, and executes the next turn",
  async (name) => {
    const daemon = bench.startDaemon();
    const server = await bench.serve({ epoch: 1 });
    let client = await server.client();
    const terminal_id = randomUUID();
    await client.call(daemonApi.createTerminal, { body: { terminal_id, command: "echo in a terminal" } });
    await client.call(daemonApi.startCommand, { body: { command: "echo in the background" } });
    await client.call(daemonApi.startAgent, createAgentStart("echo done"));
    await client.call(daemonApi.prompt, createPrompt("turn-1"));
    await readUntil(client, isTurn("ended"));
    await endDaemon(daemon, "SIGTERM");
    server.cut();
    const files = await listStateFiles();
    expect(files.map((file) => basename(file))).toEqual(
      expect.arrayContaining(["epoch", "turns.log", "agent.json", "terminal.json", "command.json"]),
    );
    for (const file of files) await damages[name]?.(file);

    bench.startDaemon();
    client = await server.client();
    expect((await client.call(daemonApi.health, {})).journal).toMatchObject({ first: 1 });
    await client.call(daemonApi.startAgent, createAgentStart("echo again"));
    await client.call(daemonApi.prompt, createPrompt("turn-2"));
    await readUntil(client, (record) => isTurn("ended")(record) && JSON.stringify(record.data).includes("turn-2"));
    await client.call(daemonApi.createTerminal, { body: { command: "true" } });
    expect(await Array.fromAsync(client.stream(daemonApi.exec, { body: { command: "true" } }))).toContainEqual(
      expect.objectContaining({ type: "exit", exit_code: 0 }),
    );
  },
);

test("a server without the runner's key, or with an older epoch, gets no wire", async () => {
  const daemon = bench.startDaemon();
  const impostor = await bench.serve({ epoch: 9, key: randomBytes(32).toString("hex") });
  while (impostor.refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await impostor.close();
  const real = await bench.serve({ epoch: 5 });
  await real.client();
  await real.close();
  const old = await bench.serve({ epoch: 4 });
  while (old.refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(old.refused[0]).toMatchObject({ code: "wire_superseded" });
  // The next daemon refuses the old server too.
  await endDaemon(daemon, "SIGKILL");
  bench.startDaemon();
  const refusals = old.refused.length;
  await expect.poll(() => old.refused.length, { timeout: 20_000 }).toBeGreaterThan(refusals);
  expect(old.refused.at(-1)).toMatchObject({ code: "wire_superseded" });
});

const cloneInput = {
  body: { remote_path: "/git/sample.git", shadow_branch: "shadow/task-1", author_name: "A", author_email: "a@b" },
};

test("the workspace is cloned from the gateway and pushed to it, over the wire and without a credential", async () => {
  bench.startDaemon();
  const { server, bare } = await bench.serveRepository(1);
  const client = await server.client();
  const cloned = await client.call(daemonApi.clone, cloneInput);
  expect(cloned).toMatchObject({ base_branch: "main", resumed: false });
  await client.call(
    daemonApi.startAgent,
    createAgentStart('head -c 3000000 /dev/urandom > big.bin; echo "$GATEWAY"; sleep 0.2'),
  );
  await client.call(daemonApi.prompt, createPrompt("turn-1"));
  const receivedRecords = await readUntil(client, isTurn("ended"));
  const commitEvent = receivedRecords.find(({ data }) => data.kind === "commit")?.data;
  expect(commitEvent).toMatchObject({ branch: "shadow/task-1", files: 1, parent: cloned.head });
  expect(JSON.stringify(receivedRecords)).toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  const { sha } = await client.call(daemonApi.push, { body: { shadow_branch: "shadow/task-1" } });
  expect(runGit("-C", bare, "rev-parse", "shadow/task-1")).toBe(sha);
  expect((await client.call(daemonApi.gitDiff, { query: { base: cloned.base_commit_sha } })).files).toMatchObject([
    { path: "big.bin", additions: 0, deletions: 0 },
  ]);
  expect((await client.call(daemonApi.health, {})).workspace).toEqual({
    cloned: true,
    branch: "shadow/task-1",
    head: sha,
  });
  await expect(
    client.call(daemonApi.clone, { body: { ...cloneInput.body, remote_path: "/git/other.git" } }),
  ).rejects.toMatchObject({ code: "workspace_occupied" });
});

// S-062
test("a daemon that is stopped in a turn commits the work and keeps all records, even if its agent does not exit", async () => {
  const graceMs = 12_000;
  const daemon = bench.startDaemon({ stop_grace_ms: graceMs });
  const { server } = await bench.serveRepository(1);
  const client = await server.client();
  await client.call(daemonApi.clone, cloneInput);
  const command = [process.execPath, getAgentPath("strict-agent.mjs"), "stubborn"];
  await client.call(daemonApi.startAgent, { body: { ...createAgentStart("").body, command, protocol: "acp" } });
  await client.call(daemonApi.prompt, { body: { ...createPrompt("turn-1").body, text: "deaf" } });
  await readUntil(client, ({ data }) => data.kind === "message");
  await writeFile(join(bench.workspace, "work.txt"), "done");
  // A backend stops the daemon in the same way.
  const kill = setTimeout(() => daemon.kill("SIGKILL"), graceMs);
  expect(await endDaemon(daemon, "SIGTERM")).toBe(0);
  clearTimeout(kill);

  expect(runGit("-C", bench.workspace, "show", "--name-only", "--format=", "shadow/task-1")).toBe("work.txt");
  await using journal = await openJournal({ folder: join(bench.state, "journal") });
  const keptRecords = await Array.fromAsync(journal.read({ after: 0 }), ({ data }) => data);
  expect(keptRecords).toContainEqual({ kind: "message", role: "agent", text: "working" });
  expect(keptRecords).toContainEqual(expect.objectContaining({ kind: "commit", files: 1 }));
  expect(keptRecords.at(-1)).toMatchObject({ kind: "turn", turn_id: "turn-1", status: "cancelled" });
});

// S-026
test("the route for shadow branches creates one, and switches to one that exists", async () => {
  bench.startDaemon();
  const { server } = await bench.serveRepository(1);
  const client = await server.client();
  const { head } = await client.call(daemonApi.clone, cloneInput);
  const switchTo = async (branch: string): Promise<unknown> => {
    const { status, body } = await client.request({
      method: "POST",
      path: "/api/git/branch",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ branch }),
    });
    expect(status).toBe(200);
    expect(runGit("-C", bench.workspace, "symbolic-ref", "--short", "HEAD")).toBe(branch);
    return JSON.parse(await text(body));
  };
  expect(await switchTo("shadow/task-2")).toEqual({ branch: "shadow/task-2", head, created: true });
  expect(await switchTo("shadow/task-1")).toEqual({ branch: "shadow/task-1", head, created: false });
  expect(await switchTo("shadow/task-2")).toEqual({ branch: "shadow/task-2", head, created: false });
});

test("a partial upload of a killed daemon is removed by the next daemon", async () => {
  const daemon = bench.startDaemon();
  const server = await bench.serve({ epoch: 1 });
  let client = await server.client();
  const never = new Readable({ read: () => undefined });
  never.push("half");
  const upload = client.request({ method: "PUT", path: "/files/upload?path=deep/whole.bin", body: never });
  upload.catch(() => undefined);
  const listLeftovers = async () =>
    (await readdir(bench.workspace, { recursive: true })).filter((name) => name.endsWith(".tmp"));
  await expect.poll(listLeftovers).toHaveLength(1);
  // First the daemon: one that lives on sees the upload break and removes the file itself.
  await endDaemon(daemon, "SIGKILL");
  server.cut();
  never.destroy();
  expect(await listLeftovers()).toHaveLength(1);

  bench.startDaemon();
  client = await server.client();
  await expect.poll(listLeftovers).toEqual([]);
  expect(await client.call(daemonApi.health, {})).toMatchObject({ runner_id: runnerId });
});
