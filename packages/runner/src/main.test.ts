import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { daemonApi, JournalRecord, type ExecEvent } from "@wharf/contract";
import { acceptWire, createWireClient, Mux, serveHttp, type WireClient } from "@wharf/contract/wire";
import { afterEach, beforeEach, expect, test } from "vitest";

const runnerId = "11111111-2222-4333-8444-555555555555";
const key = randomBytes(32).toString("hex");
let folder: string;
let daemons: ChildProcess[];
let servers: TestServer[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-daemon-"));
  daemons = [];
  servers = [];
});
afterEach(async () => {
  for (const daemon of daemons)
    if (daemon.exitCode === null && daemon.signalCode === null) await ended(daemon, "SIGTERM");
  for (const server of servers) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ended(daemon: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const exit = once(daemon, "exit");
  daemon.kill(signal);
  return (await exit)[0];
}

function startDaemon(): ChildProcess {
  const daemon = spawn(process.execPath, [join(import.meta.dirname, "main.ts")], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const config = {
    runner_id: runnerId,
    wire_key: key,
    wire: { by: "connect", path: join(folder, "wire.sock") },
    workspace: join(folder, "workspace"),
    home: join(folder, "home"),
    state: join(folder, "state"),
    relay_port: 0,
    isolation: "unsafe",
  };
  daemon.stdin?.write(`${JSON.stringify(config)}\n`);
  daemons.push(daemon);
  return daemon;
}

/** A server as the daemon sees it: it listens on the socket, and its gateway is a handler. */
class TestServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #wires: Mux[] = [];
  #arrived = Promise.withResolvers<WireClient>();
  readonly refused: unknown[] = [];

  constructor(options: {
    epoch: number;
    key?: string;
    gateway?: (request: IncomingMessage, response: ServerResponse) => void;
  }) {
    const http = createHttpServer(options.gateway ?? ((_, response) => response.end()));
    this.#server = createServer(async (socket) => {
      this.#sockets.add(socket.on("close", () => this.#sockets.delete(socket)));
      try {
        await acceptWire(socket, { key: options.key ?? key, runnerId, epoch: options.epoch });
      } catch (error) {
        this.refused.push(error);
        return;
      }
      const mux = new Mux(socket, { side: "server", onStream: (stream) => serveHttp(stream, http) });
      this.#wires.push(mux);
      this.#arrived.resolve(createWireClient(mux, { runnerId }));
    });
    servers.push(this);
  }

  async listen(): Promise<this> {
    rmSync(join(folder, "wire.sock"), { force: true });
    this.#server.listen(join(folder, "wire.sock"));
    await once(this.#server, "listening");
    return this;
  }

  /** The daemon, as soon as it has connected. */
  client(): Promise<WireClient> {
    return this.#arrived.promise;
  }

  /** Cuts the wire; the daemon will come again. */
  cut(): void {
    this.#arrived = Promise.withResolvers();
    for (const mux of this.#wires.splice(0)) mux.destroy(new Error("cut"));
  }

  async close(): Promise<void> {
    for (const mux of this.#wires) mux.destroy(new Error("closed"));
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

const agentOf = (script: string) => ({
  body: {
    run_id: "run-1",
    command: ["sh", "-c", script],
    protocol: "text" as const,
    environment: { GATEWAY: "${WHARF_GATEWAY}" },
    home_files: {},
    permission_policy: "allow-all" as const,
    permission_timeout_s: 10,
    start_timeout_s: 10,
  },
});
const turnOf = (turn_id: string) => ({
  body: {
    run_id: "run-1",
    turn_id,
    text: "go",
    idle_timeout_s: 60,
    commit: { message: "m", author_name: "A", author_email: "a@b" },
  },
});

async function records(client: WireClient, after = 0): Promise<JournalRecord[]> {
  return Array.fromAsync(client.stream(daemonApi.journal, { query: { after } }), (value) => JournalRecord.parse(value));
}

async function until(client: WireClient, done: (record: JournalRecord) => boolean): Promise<JournalRecord[]> {
  const seen: JournalRecord[] = [];
  for await (const value of client.stream(daemonApi.journal, { query: { after: 0, follow: "true" } })) {
    const record = JournalRecord.parse(value);
    seen.push(record);
    if (done(record)) break;
  }
  return seen;
}

const isTurn = (status: string) => (record: JournalRecord) =>
  record.data.kind === "turn" && record.data.status === status;

// S-014
test("the daemon connects when a server appears, serves its routes, and ends in order", async () => {
  const daemon = startDaemon();
  const server = await new TestServer({ epoch: 7 }).listen();
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
    code: "conflict",
  });
  await expect(records(client, 5)).rejects.toMatchObject({ code: "conflict" });
  await expect(client.call(daemonApi.diff, { query: { base: "abcdef0" } })).rejects.toMatchObject({
    code: "not_found",
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
    [{ method: "GET", path: "/nowhere" }, 404, "not_found"],
  ] as const) {
    const response = await client.request(request);
    expect(response.headers["content-type"]).toContain("application/problem+json");
    expect({ status: response.status, problem: JSON.parse(await text(response.body)) }).toMatchObject({
      status,
      problem: { code },
    });
  }
  const began = performance.now();
  expect(await ended(daemon, "SIGTERM")).toBe(0);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("a turn goes on without a wire, and the next server reads all of it once", async () => {
  startDaemon();
  const first = await new TestServer({ epoch: 1 }).listen();
  let client = await first.client();
  await client.call(daemonApi.startAgent, agentOf("for i in 1 2 3 4 5 6; do echo line $i; sleep 0.1; done"));
  await client.call(daemonApi.prompt, turnOf("turn-1"));
  await until(client, (record) => record.data.kind === "message" || record.data.kind === "output");
  await first.close();
  const second = await new TestServer({ epoch: 2 }).listen();
  client = await second.client();
  const seen = await until(client, isTurn("ended"));
  expect(seen.map(({ seq }) => seq)).toEqual(seen.map((_, i) => i + 1));
  const said = seen.map(({ data }) => (data.kind === "message" || data.kind === "output" ? data.text : "")).join("");
  expect(said.match(/line \d/g)).toEqual(["line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]);
  expect(await client.call(daemonApi.prompt, turnOf("turn-1"))).toEqual({ duplicate: true });

  const { journal } = await client.call(daemonApi.health, {});
  expect(await client.call(daemonApi.ackJournal, { body: { epoch: journal.epoch, seq: journal.last } })).toMatchObject({
    acked: journal.last,
  });
});

const turnLog = () => join(folder, "state/turns.log");
const killedDaemons: Record<string, () => Promise<unknown>> = {
  "a daemon killed in a turn": async () => undefined,
  "a daemon killed in a turn whose turn log is garbled meanwhile": () => writeFile(turnLog(), randomBytes(400)),
  "a daemon killed in a turn whose turn log is removed meanwhile": () => rm(turnLog()),
};
test.each(Object.keys(killedDaemons))(
  "%s comes back with its journal, and the turn is interrupted and not run again",
  async (name) => {
    const daemon = startDaemon();
    const server = await new TestServer({ epoch: 1 }).listen();
    let client = await server.client();
    await client.call(daemonApi.startAgent, agentOf(`echo $$ >> ${join(folder, "ran")}; echo begun; exec sleep 30`));
    await client.call(daemonApi.prompt, turnOf("turn-1"));
    const before = await until(client, (record) => JSON.stringify(record.data).includes("begun"));
    const { journal } = await client.call(daemonApi.health, {});
    server.cut();
    await ended(daemon, "SIGKILL");
    await killedDaemons[name]?.();

    startDaemon();
    client = await server.client();
    expect(await client.call(daemonApi.turn, { params: { turn_id: "turn-1" } })).toMatchObject({
      state: "INTERRUPTED",
    });
    const after = await records(client);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.map(({ seq }) => seq)).toEqual(after.map((_, i) => i + 1));
    expect(after.filter(isTurn("interrupted"))).toHaveLength(1);
    expect((await client.call(daemonApi.health, {})).journal.epoch).toBe(journal.epoch);
    expect(await client.call(daemonApi.prompt, turnOf("turn-1"))).toEqual({ duplicate: true });
    const ran = (await readFile(join(folder, "ran"), "utf8")).trim().split("\n");
    expect(ran).toHaveLength(1);
    // Outside of a sandbox nothing else ends what the killed daemon had started.
    try {
      process.kill(Number(ran[0]), "SIGKILL");
    } catch {
      // The daemon that came back had ended it.
    }
  },
);

const stateFiles = async () =>
  (await readdir(join(folder, "state"), { recursive: true, withFileTypes: true }))
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
    const daemon = startDaemon();
    const server = await new TestServer({ epoch: 1 }).listen();
    let client = await server.client();
    const terminal_id = randomUUID();
    await client.call(daemonApi.createTerminal, { body: { terminal_id, command: "echo in a terminal" } });
    await client.call(daemonApi.startCommand, { body: { command: "echo in the background" } });
    await client.call(daemonApi.startAgent, agentOf("echo done"));
    await client.call(daemonApi.prompt, turnOf("turn-1"));
    await until(client, isTurn("ended"));
    server.cut();
    await ended(daemon, "SIGTERM");
    const files = await stateFiles();
    expect(files.map((file) => basename(file))).toEqual(
      expect.arrayContaining(["epoch", "turns.log", "agent.json", "terminal.json", "command.json"]),
    );
    for (const file of files) await damages[name]?.(file);

    startDaemon();
    client = await server.client();
    expect((await client.call(daemonApi.health, {})).journal).toMatchObject({ first: 1 });
    await client.call(daemonApi.startAgent, agentOf("echo again"));
    await client.call(daemonApi.prompt, turnOf("turn-2"));
    await until(client, (record) => isTurn("ended")(record) && JSON.stringify(record.data).includes("turn-2"));
    await client.call(daemonApi.createTerminal, { body: { command: "true" } });
    expect(await Array.fromAsync(client.stream(daemonApi.exec, { body: { command: "true" } }))).toContainEqual(
      expect.objectContaining({ type: "exit", exit_code: 0 }),
    );
  },
);

test("a server without the runner's key, or with an older epoch, gets no wire", async () => {
  startDaemon();
  const impostor = await new TestServer({ epoch: 9, key: randomBytes(32).toString("hex") }).listen();
  while (impostor.refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await impostor.close();
  const real = await new TestServer({ epoch: 5 }).listen();
  await real.client();
  await real.close();
  const old = await new TestServer({ epoch: 4 }).listen();
  while (old.refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(old.refused[0]).toMatchObject({ code: "conflict" });
});

test("the workspace is cloned from the gateway and pushed to it, over the wire and without a credential", async () => {
  const bare = join(folder, "git/sample.git");
  const source = join(folder, "source");
  await mkdir(join(folder, "git"));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=A", "-c", "user.email=a@b", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  git("init", "-q", "-b", "main", source);
  await writeFile(join(source, "a.txt"), "a\n");
  git("-C", source, "add", ".");
  git("-C", source, "commit", "-qm", "first");
  git("clone", "-q", "--bare", source, bare);
  git("-C", bare, "config", "http.receivepack", "true");

  startDaemon();
  const server = await new TestServer({
    epoch: 1,
    gateway: (request, response) => httpBackend(folder, request, response),
  }).listen();
  const client = await server.client();
  const wanted = {
    body: { remote_path: "/git/sample.git", shadow_branch: "shadow/task-1", author_name: "A", author_email: "a@b" },
  };
  const cloned = await client.call(daemonApi.clone, wanted);
  expect(cloned).toMatchObject({ base_branch: "main", resumed: false });
  await client.call(
    daemonApi.startAgent,
    agentOf('head -c 3000000 /dev/urandom > big.bin; echo "$GATEWAY"; sleep 0.2'),
  );
  await client.call(daemonApi.prompt, turnOf("turn-1"));
  const seen = await until(client, isTurn("ended"));
  const made = seen.find(({ data }) => data.kind === "commit")?.data;
  expect(made).toMatchObject({ branch: "shadow/task-1", files: 1, parent: cloned.head });
  expect(JSON.stringify(seen)).toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  const { sha } = await client.call(daemonApi.push, { body: { shadow_branch: "shadow/task-1" } });
  expect(git("-C", bare, "rev-parse", "shadow/task-1")).toBe(sha);
  expect((await client.call(daemonApi.diff, { query: { base: cloned.base_commit_sha } })).files).toEqual([
    { path: "big.bin", additions: 0, deletions: 0 },
  ]);
  expect((await client.call(daemonApi.health, {})).workspace).toEqual({
    cloned: true,
    branch: "shadow/task-1",
    head: sha,
  });
  await expect(
    client.call(daemonApi.clone, { body: { ...wanted.body, remote_path: "/git/other.git" } }),
  ).rejects.toMatchObject({ code: "conflict" });
});

/** git's own server, as the gateway runs it. */
function httpBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://gateway");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: request.method,
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers["content-type"],
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
      GIT_PROTOCOL: request.headers["git-protocol"]?.toString(),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  child.stdout.on("data", function begin(chunk: Buffer) {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    child.stdout.off("data", begin);
    const headers = head
      .toString("latin1", 0, end)
      .split("\r\n")
      .map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]);
    const status = headers.find(([name]) => name === "Status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), headers.filter(([name]) => name !== "Status").flat());
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  });
}
