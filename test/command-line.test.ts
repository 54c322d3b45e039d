import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listCommands } from "../packages/cli/src/testing.ts";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** Runs every command of the command line against a server and checks its exit codes. */
const launcher = join(import.meta.dirname, "../packages/cli/bin/wharf.js");
let folder: string;
let repository: string;
let wharf: ServerHarness;
const covered = new Set<string>();

beforeAll(async () => {
  folder = createScratchFolder();
  repository = createRepository(join(folder, "remote"));
  mkdirSync(join(folder, "bin"));
  writeFileSync(
    join(folder, "bin/lines-agent"),
    `#!/bin/sh
prompt=$(cat)
[ "$prompt" = fail ] && exit 3
"$(dirname "$0")/helper-program" 2> /dev/null || helper-program
printf '{"type":"result","data":{"prompt":"%s","home":"%s"}}\\n' "$prompt" "$(cat ~/.lines/config)"
`,
    { mode: 0o755 },
  );
  writeFileSync(join(folder, "bin/helper-program"), "#!/bin/sh\necho helped\n", { mode: 0o755 });
  writeFileSync(join(folder, "bin/auggie"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(folder, "home-file"), "from-home");
  wharf = new ServerHarness(folder, { PATH: `${join(folder, "bin")}:${process.env["PATH"]}` });
  await wharf.start();
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Runs a command by its path, with arguments and standard input. Returns its exit code and its
 * output.
 */
async function run(path: string, words: readonly string[] = [], stdin = "") {
  covered.add(path);
  const child = spawn(process.execPath, [launcher, ...path.split(" "), ...words], {
    env: wharf.environment,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined).end(stdin);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, out, err };
}

async function getExitCode(...line: Parameters<typeof run>): Promise<unknown> {
  const { code, out, err } = await run(...line);
  return code === 0 ? code : { code, out, err };
}
const failed = expect.objectContaining({ code: 2 });
const parse = ({ out }: { out: string }) => JSON.parse(out.trim().split("\n").at(-1) ?? "");

/** Returns what a person sees of a command in a terminal of `columns` columns. */
async function seen(columns: number, ...words: string[]): Promise<string[]> {
  const { spawn: spawnPty } = await import("@lydell/node-pty");
  const pty = spawnPty(process.execPath, [launcher, ...words], { env: wharf.environment, cols: columns, rows: 24 });
  let shown = "";
  pty.onData((piece) => (shown += piece));
  await new Promise((resolve) => pty.onExit(resolve));
  return stripVTControlCharacters(shown).trimEnd().split(/\r?\n/);
}

test("tables fit the terminal, and are complete with --wide and for programs", async () => {
  const longest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));
  const narrow = await seen(60, "agent-types");
  expect(longest(narrow)).toBe(60);
  expect(narrow.some((line) => line.endsWith("…"))).toBe(true);
  const wide = await seen(60, "agent-types", "--wide");
  const piped = await wharf.cli("agent-types");
  expect(wide.map((line) => line.trimEnd())).toEqual(piped.stdout.trimEnd().split("\n"));
  expect(longest(wide)).toBeGreaterThan(60);
  expect(piped.stdout).not.toContain("…");
});

describe("exit codes", () => {
  let task: string;

  test("of runs: done 0, the agent failed 1, Wharf failed 2", async () => {
    const demo = ["--repo", repository, "--agent", "demo", "--json"];
    const [ran, crashed, nowhere] = await Promise.all([
      run("run", ["-", ...demo], "demo: write a.txt ä 🙂"),
      run("run", ["demo: crash", ...demo]),
      run("run", ["x", "--repo", join(folder, "nowhere"), "--agent", "demo"]),
    ]);
    expect([ran.code, crashed.code, nowhere.code]).toEqual([0, 1, 2]);
    expect(parse(crashed).exit_code).toBe(1);
    task = parse(ran).task_id;
    expect((await wharf.task(task)).description).toBe("demo: write a.txt ä 🙂");
    writeFileSync(join(folder, "prompt.md"), "demo: say from a file");
    expect(await getExitCode("task prompt", [task, "--file", join(folder, "prompt.md"), "--follow"])).toBe(0);
    expect(getAgentText(await wharf.events(task))).toContain("from a file");
  });

  test("of commands that read tasks", async () => {
    const reads = ["show", "logs", "diff", "answer", "mode", "model"].map((name) =>
      getExitCode(`task ${name}`, [task]),
    );
    const missing = getExitCode("task show", [crypto.randomUUID()]);
    const [ids] = await Promise.all([run("completion ids", ["task"]), getExitCode("task ls")]);
    expect(ids).toMatchObject({ code: 0, out: expect.stringContaining(`${task.slice(0, 8)}\n`) });
    expect([await Promise.all(reads), await missing]).toEqual([reads.map(() => 0), failed]);
  });

  test("of the allow-lists", async () => {
    expect(await getExitCode("allow")).toBe(0);
    expect(await getExitCode("allow", ["npm", "files.example", "--task", task])).toBe(0);
    expect((await run("allow", ["--task", task])).out).toContain("files.example");
    expect(await getExitCode("allow", ["files.example", "--task", task, "--remove"])).toBe(0);
    expect(await getExitCode("allow", ["files.example", "--task", task, "--remove"])).toEqual(failed);
    expect(await getExitCode("allow", ["127.0.0.1"])).toEqual(failed);
  });

  test("of commands that change tasks", async () => {
    const created = await run(
      "task create",
      ["later", "--description", "-", "--repo", repository, "--json"],
      "read in",
    );
    expect(parse(created)).toMatchObject({ title: "later", description: "read in" });
    const later: string = parse(created).id;
    const refused = ["pause", "resume", "cancel-turn", "push"].map((name) => getExitCode(`task ${name}`, [task]));
    expect(await Promise.all(refused)).toEqual(refused.map(() => failed));
    expect(await Promise.all([getExitCode("task stop", [task]), getExitCode("task cancel", [later])])).toEqual([0, 0]);
    expect(await getExitCode("task accept", [task])).toBe(0);
    expect(await getExitCode("task rm", [later])).toBe(0);
    expect(await getExitCode("task rm", [later])).toEqual(failed);
  });

  test("of a turn that is paused, resumed and cancelled", async () => {
    const task = await wharf.createTask({ repository_url: repository });
    const turn = await wharf.prompt(task, "demo: say begun\ndemo: hang");
    await wharf.until(task.id, (event) => getAgentText([event]).includes("begun"));
    expect(await getExitCode("task pause", [task.id])).toBe(0);
    expect(await getExitCode("task resume", [task.id])).toBe(0);
    expect(await getExitCode("task cancel-turn", [task.id])).toBe(0);
    await wharf.until(
      task.id,
      ({ data }) => data.kind === "turn" && data.turn_id === turn.id && data.status !== "started",
    );
  });

  test("of the usage of models and runners", async () => {
    expect(await run("usage")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^No requests to models since \d{4}-\d\d-\d\d \d\d:00 UTC\.\n$/),
    });
    expect(await run("usage", ["--csv", "--json"])).toMatchObject({ code: 2, out: "" });
    const noRunners = { code: 0, out: "No runner has run from 2025-12-02 00:00 to 2026-01-01 00:00 UTC.\n" };
    expect(await run("usage", ["--resources", "--to", "2026-01-01"])).toMatchObject(noRunners);
    expect(await run("usage", ["--resources"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/total\nThis is the usage since .* UTC\.\n$/),
    });
    expect(await run("usage", ["--resources", "--model", "x"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--resources", "--by", "turn"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--by", "runner"])).toMatchObject({ code: 2, out: "" });
    const noHosts = { code: 0, out: "No connections to hosts of an allow-list.\n" };
    expect(await run("usage", ["--hosts"])).toMatchObject(noHosts);
    expect(await run("usage", ["--hosts", "--from", "2026-01-01"])).toMatchObject({ code: 2, out: "" });
    expect(await run("usage", ["--hosts", "--resources"])).toMatchObject({ code: 2, out: "" });
  });

  test("of the queue and of limits", async () => {
    expect(await run("queue")).toMatchObject({ code: 0, err: expect.stringMatching(/slots\.\nNo tasks wait/) });
    expect(parse(await run("queue pause", ["--reason", "maintenance", "--json"]))).toMatchObject({ status: "paused" });
    expect((await run("queue")).err).toContain("The queue is paused: maintenance");
    expect(await getExitCode("queue resume")).toBe(0);
    expect(await run("limit")).toMatchObject({ code: 0, out: expect.stringMatching(/^No limits/) });
    expect(await run("limit set", ["5"])).toMatchObject({ code: 2, out: "" });
    expect(await run("limit set", ["--organization", "-1"])).toMatchObject({ code: 2, out: "" });
    const { id } = parse(await run("limit set", ["--organization", "1000", "--json"]));
    expect((await run("limit")).out).toMatch(/organization +Home +0 +1000/);
    expect(await getExitCode("limit rm", [id])).toBe(0);
    expect(await getExitCode("limit rm", [id])).toEqual(failed);
  });

  test("of budgets", async () => {
    expect(await run("budget")).toMatchObject({ code: 0, out: expect.stringMatching(/^No budgets/) });
    expect(await run("budget set", ["5"])).toMatchObject({ code: 2, out: "" });
    expect(await run("budget set", ["--organization", "1e9"])).toMatchObject({ code: 2, out: "" });
    const { id } = parse(await run("budget set", ["--organization", "1000", "--period", "day", "--json"]));
    expect(await getExitCode("budget rm", [id])).toBe(0);
    expect(await getExitCode("budget rm", [id])).toEqual(failed);
  });

  test("of the audit log", async () => {
    expect(await run("audit ls", ["--action", "noSuchAct"])).toMatchObject({ code: 0, out: "No entries.\n" });
    expect(await run("audit ls", ["--from", "soon"])).toMatchObject({ code: 2, out: "" });
    expect(await run("audit export", ["--limit", "1"])).toMatchObject({ code: 2 });
    const exported = join(folder, "audit.ndjson");
    const { out } = await run("audit export");
    writeFileSync(exported, out);
    const intact = { code: 0, out: expect.stringMatching(/^The audit log is intact/) };
    expect(await run("audit verify", ["--file", exported])).toMatchObject(intact);
    writeFileSync(exported, out.replace("createTask", "deleteTask"));
    expect(await run("audit verify", ["--file", exported])).toMatchObject({
      code: 2,
      err: expect.stringContaining("was changed"),
    });
    const anchor = join(folder, "anchor");
    expect(await run("audit verify", ["--anchor", anchor])).toMatchObject(intact);
    expect(await run("audit verify", ["--anchor", anchor])).toMatchObject({
      code: 0,
      out: expect.stringContaining("The anchor matches"),
    });
    expect(await run("audit prune")).toMatchObject({ code: 2 });
    expect(await run("audit prune", ["--before", "2020-01-01"])).toMatchObject({
      code: 0,
      out: expect.stringContaining("Removed 0 entries"),
    });
  });

  test("of people, their boards and their tokens", async () => {
    expect((await run("whoami")).out).toContain("all that the role admin allows");
    expect(await getExitCode("org create", ["acme", "--title", "Acme"])).toBe(0);
    expect(await getExitCode("org create", ["acme"])).toEqual(failed);
    expect((await run("org ls", ["--org", "acme"])).out).toMatch(/^\* +acme +admin +Acme$/m);
    expect(await getExitCode("whoami", ["--org", "missing"])).toEqual(failed);
    expect(await getExitCode("user add", ["robot", "--service"])).toBe(0);
    expect(await getExitCode("user role", ["robot", "viewer"])).toBe(0);
    expect((await run("user ls")).out).toMatch(/^robot +viewer +program/m);
    const created = await run("token create", [
      "ci",
      "--user",
      "robot",
      "--permission",
      "task:read",
      "--expires",
      "9d",
    ]);
    expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^wharf_pat_\S+\n$/) });
    expect(created.err).toContain("It is not shown again");
    const { tokens } = parse(await run("token ls", ["--json"]));
    expect(tokens).toMatchObject([{ name: "ci", username: "robot", permissions: ["task:read"] }]);
    expect(await getExitCode("token rm", [tokens[0].id.slice(0, 8)])).toBe(0);
    expect(await getExitCode("token rm", [tokens[0].id])).toEqual(failed);
    expect(await getExitCode("board create", ["Web shop"])).toBe(0);
    expect(await getExitCode("board rename", ["Web shop", "Shop"])).toBe(0);
    expect((await run("board ls")).out).toMatch(/ owner .* Shop$/m);
    expect(await getExitCode("board share", ["Shop", "robot", "--role", "editor"])).toBe(0);
    expect((await run("board members", ["Shop"])).out).toMatch(/^robot +editor$/m);
    expect(await getExitCode("board unshare", ["Shop", "robot"])).toBe(0);
    expect(parse(await run("task ls", ["--board", "Shop", "--json"])).tasks).toEqual([]);
    expect(await getExitCode("task ls", ["--board", "missing"])).toEqual(failed);
    expect(await getExitCode("board rm", ["Shop"])).toBe(0);
    expect(await getExitCode("board rm", ["Shop"])).toEqual(failed);
    expect(await getExitCode("user rm", ["robot"])).toBe(0);
    expect(await getExitCode("user rm", ["robot"])).toEqual(failed);
  });

  test("of runners: the command's own, 124 for a timeout, 130 for Ctrl-C", async () => {
    const created = await run("runner create", ["--json"]);
    const { id } = parse(created);
    expect(created.code).toBe(0);
    for (const path of ["ls", "get", "logs"].map((name) => `runner ${name}`))
      expect(await getExitCode(path, path === "runner ls" ? [] : [id])).toBe(0);
    expect((await run("runner exec", [id, "exit 42"])).code).toBe(42);
    expect((await run("runner exec", ["--timeout", "0.5", id, "sleep", "60"])).code).toBe(124);
    expect((await run("runner attach", [id, "exit 7"])).code).toBe(7);
    expect(await getExitCode("runner cp", [join(folder, "prompt.md"), `${id}:x`])).toBe(0);
    expect(await getExitCode("runner cp", [`${id}:none`, folder])).toEqual(failed);
    const child = spawn(process.execPath, [launcher, "runner", "exec", id, "echo begun; sleep 60"], {
      env: wharf.environment,
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    expect(await getExitCode("runner stop", [id])).toBe(0);
    expect(await getExitCode("runner start", [id])).toBe(0);
    expect(await getExitCode("runner rm", [id])).toBe(0);
    expect(await getExitCode("runner get", ["ffffffff"])).toEqual(failed);
  });

  test("of workspaces of tasks", async () => {
    const task = await wharf.createTask({ repository_url: repository });
    expect(await getExitCode("workspace ls", [task.id])).toEqual(failed);
    await wharf.turn(task, "demo: write made.txt by the agent");
    const id = task.id.slice(0, 8);
    const reads = ["ls", "tree", "status", "diff", "log", "branches", "jobs ls"].map((name) =>
      getExitCode(`workspace ${name}`, [id]),
    );
    expect(await Promise.all(reads)).toEqual(reads.map(() => 0));
    expect((await run("workspace cat", [id, "made.txt"])).out).toBe("by the agent");
    expect((await run("workspace find", [id, "mdtxt"])).out).toBe("made.txt\n");
    expect((await run("workspace grep", [id, "agent"])).out).toContain("made.txt:1:by the agent\n");
    expect((await run("workspace write", [id, "new/a.txt"], "one\ntwo\n")).code).toBe(0);
    expect(await getExitCode("workspace write", [id, "new/a.txt", "--new"])).toEqual(failed);
    expect((await run("workspace cat", [id, "new/a.txt", "--lines", "2"])).out).toBe("two\n");
    expect((await run("workspace cat", [id, "new/a.txt", "--lines", "x"])).code).toBe(2);
    const { etag } = parse(await run("workspace cat", [id, "new/a.txt", "--json"]));
    const change = [id, "new/a.txt", "--old", "two", "--new", "2", "--if-match", etag];
    expect(await getExitCode("workspace replace", change)).toBe(0);
    expect(await getExitCode("workspace replace", change)).toEqual(failed);
    expect((await run("workspace diff", [id])).out).toContain("+2\n");
    expect(parse(await run("workspace commit", [id, "-m", "Add a", "--json"]))).toMatchObject({
      commit: { message: "Add a" },
    });
    expect((await run("workspace log", [id, "--limit", "1"])).out).toContain("Add a");
    expect((await run("workspace show", [id, task.shadow_branch])).out).toContain("+one\n");
    expect((await run("workspace diff", [id, "--since-start", "--stat"])).out).toContain("made.txt");
    expect(await getExitCode("workspace rm", [id, "new"])).toEqual(failed);
    expect(await getExitCode("workspace rm", [id, "new", "-r"])).toBe(0);
    expect(await getExitCode("workspace restore", [id])).toEqual(failed);
    expect((await run("workspace restore", [id, "--all"])).out).toContain("new/a.txt");
  });

  test("of workspaces of runners", async () => {
    const { id } = parse(await run("runner create", ["--json"]));
    expect(await getExitCode("workspace mkdir", [id, "a/b"])).toBe(0);
    expect(await getExitCode("workspace cp", [join(folder, "home-file"), `${id}:a/b`])).toBe(0);
    expect(await getExitCode("workspace cp", [`${id}:a/b/home-file`, `${id}:copy`])).toBe(0);
    expect(await getExitCode("workspace mv", [id, "copy", "moved"])).toBe(0);
    expect(await getExitCode("workspace cp", [`${id}:copy`, folder])).toEqual(failed);
    expect(await getExitCode("workspace cp", [`${id}:a`, join(folder, "down")])).toBe(0);
    expect(readFileSync(join(folder, "down/b/home-file"), "utf8")).toBe("from-home");
    expect(await run("workspace exec", [id, "cat moved; exit 42"])).toMatchObject({ code: 42, out: "from-home" });
    const started = await run("workspace jobs start", [id, "--stdin", "echo ready; cat; echo end >&2"]);
    const job = started.out.trim();
    expect(job).toMatch(/^[0-9a-f]{8}$/);
    expect(await getExitCode("workspace jobs input", [id, job, "typed"])).toBe(0);
    expect(await getExitCode("workspace jobs input", [id, job])).toEqual(failed);
    expect(await getExitCode("workspace jobs input", [id, job, "--end"])).toBe(0);
    const output = await run("workspace jobs output", [id, job, "--follow"]);
    expect(output).toMatchObject({ code: 0, out: "ready\ntyped\n", err: expect.stringContaining("end\n") });
    const sleeping = (await run("workspace jobs start", [id, "sleep", "60"])).out.trim();
    expect(await getExitCode("workspace jobs kill", [id, sleeping, "-s", "SIGKILL"])).toBe(0);
    expect(await getExitCode("workspace jobs rm", [id, job])).toBe(0);
    expect(await getExitCode("workspace jobs output", [id, job])).toEqual(failed);
    expect((await run("workspace jobs ls", [id])).out).toContain("sleep 60");
    expect(await getExitCode("workspace ls", ["ffffffff"])).toEqual(failed);
    expect(await getExitCode("runner rm", [id])).toBe(0);
  });

  test("of a workspace that is watched", async () => {
    const { id } = parse(await run("runner create", ["--json"]));
    covered.add("workspace watch");
    const child = spawn(process.execPath, [launcher, "workspace", "watch", id], {
      env: wharf.environment,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const seen = once(child.stdout, "data");
    const writing = setInterval(() => void run("workspace write", [id, `w-${Date.now()}`], "x"), 2_000);
    expect(String((await seen)[0])).toMatch(/^created +w-\d+/m);
    clearInterval(writing);
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    expect(await getExitCode("runner rm", [id])).toBe(0);
  });

  test("of agent types, and an agent of two programs gets its prompt, its file and its second program", async () => {
    const options = ["--protocol", "json-lines", "--program", "helper-program"];
    const added = await run("agent-types add", [
      "mine",
      ...options,
      "--home-file",
      `.lines/config=${join(folder, "home-file")}`,
      "lines-agent",
    ]);
    expect(added).toMatchObject({ code: 0, out: expect.stringMatching(/^mine +yes/m) });
    const again = await run("agent-types add", ["mine", "lines-agent"]);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("wharf agent-types set mine") });
    for (const script of ["./bin/lines-agent", join(folder, "bin/lines-agent")])
      expect(await getExitCode("agent-types add", ["script", script])).toEqual(failed);
    expect((await run("agent-types", ["--json"])).out).not.toContain('"script"');
    const type = await wharf.client.call(api.getAgentType, { params: { type_id: "mine" } });
    expect(await getExitCode("agent-types set", ["mine", "--description", "two programs"])).toBe(0);
    const { updated_at: _, ...changed } = await wharf.client.call(api.getAgentType, { params: { type_id: "mine" } });
    expect({ ...changed, updated_at: type.updated_at }).toEqual({ ...type, description: "two programs" });

    const task = await wharf.createTask({ repository_url: repository, agent_type: "mine" });
    const events = await wharf.turn(task, "read it");
    const reports = events.flatMap(({ data }) => (data.kind === "report" ? [data] : []));
    expect(reports).toMatchObject([{ prompt: "read it", home: "from-home" }]);
    expect(JSON.stringify(events)).toContain("helped");
    const line = ["fail", "--repo", repository, "--agent", "mine", "--policy", "allow-all", "--json"];
    expect((await run("run", line)).code).toBe(1);
    expect(await getExitCode("agent-types rm", ["gemini"])).toEqual(failed);
    for (const { id } of (await wharf.client.call(api.listTasks, { query: {} })).tasks)
      await wharf.client.call(api.deleteTask, { params: { task_id: id } });
    await eventually(() => getExitCode("agent-types rm", ["mine"]), 0);
    expect(await getExitCode("agent-types rm", ["mine"])).toEqual(failed);
  });

  test("of an agent with MCP servers that are read from a file", async () => {
    const words = { command: "words", args: ["--all"] };
    const docs = { url: "http://127.0.0.1:9", headers: { Accept: "x" } };
    const mcpServers = { words: { type: "stdio", ...words }, docs: { type: "http", ...docs } };
    const add = (text: string, ...options: string[]) =>
      run("agent-types add", ["with-mcp", "--mcp-servers", "-", ...options, "sh"], text);
    expect(await add(JSON.stringify({ mcpServers }))).toMatchObject({ code: 0 });
    const type = await wharf.client.call(api.getAgentType, { params: { type_id: "with-mcp" } });
    expect(type.mcp_servers).toEqual([
      { name: "words", ...words, env: {} },
      { name: "docs", ...docs },
    ]);
    const file = join(folder, "none.json");
    writeFileSync(file, JSON.stringify({ mcpServers: {} }));
    expect(await getExitCode("agent-types set", ["with-mcp", "--mcp-servers", file])).toBe(0);
    expect((await wharf.client.call(api.getAgentType, { params: { type_id: "with-mcp" } })).mcp_servers).toEqual([]);
    for (const [text, words] of [
      ["{", "expected JSON"],
      ["{}", "mcpServers"],
      [JSON.stringify({ mcpServers: { sse: { type: "sse", url: "http://x" } } }), "stdio or http"],
      [JSON.stringify({ mcpServers: { here: { command: "./x" } } }), "of 'here'"],
    ] as const)
      expect(await add(text)).toMatchObject({
        code: 2,
        err: expect.stringMatching(new RegExp(`--mcp-servers.*${words}`)),
      });
    expect(await add(JSON.stringify({ mcpServers }), "--protocol", "text")).toMatchObject({
      code: 2,
      err: expect.stringContaining("only agents that speak acp support MCP servers"),
    });
    expect(await getExitCode("agent-types rm", ["with-mcp"])).toBe(0);
  });

  test("of an agent without a login, which is refused and leaves no task", async () => {
    const ids = async () => (await wharf.client.call(api.listTasks, { query: {} })).tasks.map(({ id }) => id);
    const before = await ids();
    const refused = await run("run", ["x", "--repo", repository, "--agent", "auggie"]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("it needs a login: set one with") });
    expect(await ids()).toEqual(before);
  });

  test("of logins exit with 0 when they succeed", async () => {
    const text = readFileSync(join(wharf.environment["WHARF_DATA"] ?? "", "server.json"), "utf8");
    const { url } = JSON.parse(text) as { url: string };
    const named = ["--url", url];
    const invitation = await run("user invite", ["ada@example.com", "--role", "viewer"]);
    expect([invitation.code, invitation.out]).toEqual([0, expect.stringMatching(/^http.*\/invitations\/[\w-]{43}\n$/)]);
    expect(invitation.err).toContain("Wharf sends no mail");
    expect((await run("user invitations")).out).toContain("ada@example.com");
    expect(await getExitCode("login", [invitation.out.trim()], "correct horse battery\n")).toBe(0);
    const { out } = await run("session ls", [...named, "--json"]);
    const { sessions } = JSON.parse(out) as { sessions: { id: string; is_current: boolean }[] };
    expect(sessions).toMatchObject([{ is_current: true }]);
    expect(await getExitCode("session end", [sessions[0]!.id, ...named])).toBe(0);
    expect((await run("session ls", named)).code).toBe(2);
    expect(await getExitCode("login", ["--email", "ada@example.com", ...named], "correct horse battery\n")).toBe(0);
    expect(await getExitCode("logout", ["--all", ...named])).toBe(0);
    expect((await run("logout", named)).out).toContain("No login is saved");
    const link = await run("login", ["--link"]);
    expect(link.out).toMatch(/^http.*\/login\/[\w-]{43}\n$/);
    expect(await getExitCode("login", [link.out.trim()])).toBe(0);
    expect((await run("login", [link.out.trim()])).err).toContain("This link does not work");
    const reset = await run("user link", ["ada", "--password"]);
    expect(await getExitCode("login", [reset.out.trim()], "another horse battery\n")).toBe(0);
    expect(await getExitCode("user logout", ["ada"])).toBe(0);
    expect(await getExitCode("user invite", ["bob@example.com"])).toBe(0);
    const list = await run("user invitations", ["--json"]);
    const { invitations } = JSON.parse(list.out) as { invitations: { id: string }[] };
    expect(await getExitCode("user uninvite", [invitations[0]!.id])).toBe(0);
    expect((await run("user invitations")).out).toContain("no open invitations");
    const file = join(folder, ".config/wharf/logins.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("of commands that need no server", async () => {
    expect(await getExitCode("config show")).toBe(0);
    for (const shell of ["bash", "zsh", "fish"]) expect(await getExitCode(`completion ${shell}`)).toBe(0);
    expect(await getExitCode("doctor")).toBe(0);
    expect(await getExitCode("up")).toEqual(failed);
    expect(await getExitCode("down")).toBe(0);
    expect(await getExitCode("down")).toBe(0);
    expect(await getExitCode("task ls")).toEqual(failed);
  });

  test("are tested for every command except the demonstration, which has its own test", () => {
    const listing = ["agent-types", "budget", "queue", "limit"];
    const commands = listCommands().filter(([path, { commands }]) => commands.length === 0 || listing.includes(path));
    expect([...covered, "demo"].toSorted()).toEqual(commands.map(([path]) => path).toSorted());
  });
});
