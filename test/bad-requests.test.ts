import { randomInt, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { api, Problem, type Task } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { readConfig, startServer } from "../packages/server/src/index.ts";
import { eventually } from "./support/eventually.ts";
import { Bystander, waitUntilSettled, readWholeLog } from "./support/log.ts";
import { noTraces, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/** Invalid requests, and requests at the wrong moment, get a clear error and change nothing. */
let folder: string;
let wharf: ServerHarness;
let good: string;
let bystander: Bystander;

beforeAll(async () => {
  folder = createScratchFolder();
  good = createRepository(join(folder, "good"));
  wharf = new ServerHarness(folder);
  await wharf.start();
  bystander = await Bystander.at(wharf, good);
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const getCode = (error: unknown) => (error instanceof Error && "code" in error ? error.code : error);

describe("a request that", () => {
  const send = async (
    path: string,
    options: { method?: string; body?: string | Buffer; headers?: Record<string, string> } = {},
  ) => {
    const { url, token } = await wharf.client.locate();
    const { host, ...named } = options.headers ?? {};
    const headers = {
      authorization: `Bearer ${token}`,
      ...(options.body !== undefined && { "content-type": "application/json" }),
      ...named,
      ...(host && { host }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; problem: Problem | undefined }>();
    const call = request(
      url + path,
      { method: options.method ?? (options.body === undefined ? "GET" : "POST"), headers },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            problem: response.headers["content-type"]?.startsWith("application/problem+json")
              ? Problem.parse(JSON.parse(text))
              : undefined,
          }),
        );
      },
    );
    call.on("error", reject);
    call.end(options.body);
    return promise;
  };
  const tasksPath = async () =>
    `/api/v1/boards/${(await wharf.client.call(api.serverInfo, {})).default_board_id}/tasks`;
  const valid = () => ({ title: "t", description: "d" });
  const badRequest = (detail: RegExp) => ({
    status: 400,
    problem: { code: "bad_request", detail: expect.stringMatching(detail), next: expect.stringMatching(/Correct/) },
  });

  // K-030 K-042
  test.each([
    ["is not JSON", '{"title": ', /JSON/],
    ["is JSON of the wrong kind", "[]", /object/],
    ["is empty", "", /./],
    ["lacks what is required", JSON.stringify({ title: "t" }), /description/],
    ["has a title of 501 letters", JSON.stringify({ ...valid(), title: "x".repeat(501) }), /title.*500/],
    ["has a title of blanks", JSON.stringify({ ...valid(), title: "   " }), /title/],
    ["has a number where text is due", JSON.stringify({ ...valid(), title: 5 }), /title.*string/],
    ["has text where a number is due", JSON.stringify({ ...valid(), priority: "high" }), /priority.*number/],
    ["has a number that is too large", JSON.stringify({ ...valid(), priority: 11 }), /priority/],
    [
      "has a branch that git would take for an option",
      JSON.stringify({ ...valid(), branch: "--upload-pack=x" }),
      /branch/,
    ],
    ["has an unknown policy", JSON.stringify({ ...valid(), permission_policy: "everything" }), /permission_policy/],
    ["has NUL in its title", JSON.stringify({ ...valid(), title: "a\0b" }), /title.*NUL/],
    [
      "has NUL deep in its metadata",
      JSON.stringify({ ...valid(), metadata: { a: [{ "b\0": 1 }] } }),
      /metadata\.a\.0.*NUL/,
    ],
    ["has half a character", String.raw`{"title":"a\ud800b","description":"d"}`, /half of a surrogate pair/],
    [
      "is nested without end",
      `{"title":"t","description":"d","metadata":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
      /metadata.*nested/,
    ],
    ["would change every object's prototype", '{"title":"t","description":"d","__proto__":{"x":1}}', /./],
  ])("%s gets an error that says what is wrong", async (_, body, detail) => {
    const count = (await wharf.client.call(api.listTasks, { query: { limit: 1 } })).total;
    expect(await send(await tasksPath(), { body })).toMatchObject(badRequest(detail));
    expect((await wharf.client.call(api.listTasks, { query: { limit: 1 } })).total).toBe(count);
  });

  test("is too large is refused before it is read", async () => {
    expect(await send(await tasksPath(), { body: Buffer.alloc(2 << 20, "x") })).toMatchObject({
      status: 413,
      problem: { code: "body_too_large" },
    });
  });

  test("names a missing object gets a not-found error", async () => {
    const missing = randomUUID();
    expect(await send(`/api/v1/tasks/${missing}`)).toMatchObject({
      status: 404,
      problem: { code: "task_not_found", detail: expect.stringContaining(missing) },
    });
    expect(await send("/api/v1/nothing")).toMatchObject({
      status: 404,
      problem: { code: "route_not_found", detail: expect.stringContaining("GET /api/v1/nothing") },
    });
    expect(await send("/api/v1/boards/no-uuid")).toMatchObject(badRequest(/board_id/));
    expect(await send("/api/v1/tasks/short")).toMatchObject(badRequest(/task_id/));
    expect(await send(`/api/v1/tasks/%00${missing.slice(3)}`)).toMatchObject({ status: 400 });
    expect(await send("/api/v1/tasks/%zz%zz%zz%zz")).toMatchObject({ status: 400 });
    expect(await send(`/api/v1/tasks/${missing}/events?after=-1`)).toMatchObject(badRequest(/after/));
    expect(await send("/api/v1/tasks?limit=100000")).toMatchObject(badRequest(/limit/));
    const task = await wharf.createTask({ repository_url: good, agent_type: "nobody" });
    await expect(wharf.prompt(task, "x")).rejects.toMatchObject({
      code: "agent_type_not_found",
      message: "There is no agent type 'nobody'.",
    });
    expect(await wharf.task(task.id)).toMatchObject({ state: "TODO" });
  });

  test("has no token, or a wrong one, is refused", async () => {
    for (const authorization of ["", "Bearer wrong", `Bearer ${"x".repeat(5_000)}`, "Basic b3duZXI6"]) {
      expect(await send("/api/v1/tasks", { headers: { authorization } })).toMatchObject({
        status: 401,
        problem: { code: "unauthenticated", next: expect.stringContaining("owner-token") },
      });
    }
    expect(await send("/health", { headers: { authorization: "" } })).toMatchObject({ status: 200 });
  });

  test("uses another host name, or comes from another site's page, is refused", async () => {
    const { url } = await wharf.client.locate();
    for (const headers of [
      { host: "evil.example" },
      { host: "127.0.0.1.evil.example" },
      { origin: "https://evil.example" },
      { origin: "null" },
    ]) {
      expect(await send("/api/v1/tasks", { headers })).toMatchObject({
        status: 403,
        problem: { code: "forbidden_origin", next: expect.stringContaining("WHARF_ALLOWED_HOSTS") },
      });
      expect(await send("/health", { headers })).toMatchObject({ status: 403 });
    }
    expect(await send("/api/v1/tasks", { headers: { origin: url } })).toMatchObject({ status: 200 });
  });

  // K-066 K-067 S-079
  test("opens a WebSocket follows the same rules, and an invalid message does not close it", async () => {
    const { url, token } = await wharf.client.locate();
    const task = await wharf.createTask({ repository_url: good });
    const address = `${url.replace("http", "ws")}/api/v1/orchestrator`;
    const refusal = async (path: string, headers: Record<string, string>) => {
      const socket = new WebSocket(address + path, { headers });
      const [, response] = await once(socket, "unexpected-response");
      let text = "";
      for await (const chunk of response) text += chunk;
      socket.on("error", () => undefined).terminate();
      return Problem.parse(JSON.parse(text)).code;
    };
    const authorization = `Bearer ${token}`;
    for (const path of ["/stream", `/tasks/${task.id}/stream`]) {
      expect(await refusal(path, {})).toBe("unauthenticated");
      expect(await refusal(path, { authorization: "Bearer wrong" })).toBe("unauthenticated");
      expect(await refusal(path, { authorization, host: "evil.example" })).toBe("forbidden_origin");
      expect(await refusal(path, { authorization, origin: "https://evil.example" })).toBe("forbidden_origin");
    }
    expect(await refusal(`/tasks/${task.id}/stream?after=soon`, { authorization })).toBe("bad_request");
    expect(await refusal(`/tasks/${randomUUID()}/stream`, { authorization })).toBe("task_not_found");
    expect(await refusal("/elsewhere", { authorization })).toBe("route_not_found");

    const socket = new WebSocket(`${address}/stream`, { headers: { authorization } });
    await once(socket, "open");
    const answers: string[] = [];
    socket.on("message", (data: Buffer) => answers.push(data.toString()));
    for (const message of [
      "no json",
      "{}",
      '{"action":"subscribe","task_ids":"all"}',
      JSON.stringify({ action: "subscribe", task_ids: [randomUUID()] }),
    ])
      socket.send(message);
    socket.send(JSON.stringify({ action: "subscribe", task_ids: [task.id], after: { [task.id]: 0 } }));
    await eventually(() => answers.length, 5);
    const codes: string[] = answers.map((answer) => JSON.parse(answer)).map(({ data }) => data.code ?? data.to);
    expect(codes.toSorted()).toEqual(["TODO", "bad_request", "bad_request", "bad_request", "task_not_found"]);
    socket.close();
  });
});

describe("a prompt", () => {
  test("that is sent again during its turn is the same prompt, and the turn continues undisturbed", async () => {
    const task = await wharf.createTask({ repository_url: good });
    const turnId = randomUUID();
    const first = await wharf.prompt(task, "demo: say one\ndemo: sleep 1s\ndemo: say two", turnId);
    await wharf.until(task.id, ({ data }) => data.kind === "message" && data.role === "agent");
    const before = await readWholeLog(wharf, task);
    expect((await wharf.prompt(task, "anything", turnId)).id).toBe(first.id);
    const other = await wharf.createTask({ repository_url: good });
    await expect(wharf.prompt(other, "x", turnId)).rejects.toMatchObject({ code: "turn_id_taken" });
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "REVIEW" });
    expect(getAgentText(await readWholeLog(wharf, task, before))).toBe("one\ntwo\n");
  });

  // K-019, X-008: the ends of a task are not the end of its conversation
  test("after completion starts a new run that knows the conversation", async () => {
    const task = await wharf.createTask({ repository_url: good });
    await wharf.turn(task, "demo: say the first turn");
    await wharf.client.call(api.setTaskState, { params: { task_id: task.id }, body: { state: "COMPLETED" } });
    const before = await readWholeLog(wharf, task);
    const events = await wharf.turn(task, "demo: recall");
    expect(getAgentText(events)).toContain("demo: say the first turn");
    await readWholeLog(wharf, task, before);
    const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
    expect(agents.map(({ status }) => status)).toEqual(["RUNNING", "COMPLETED"]);
    expect(new Set(agents.map(({ session_id }) => session_id)).size).toBe(1);
  });

  test("after a failure or a cancellation works and knows the conversation", async () => {
    const task = await wharf.createTask({ repository_url: good });
    await wharf.turn(task, "demo: say kept");
    await wharf.turn(task, "demo: fail on purpose");
    expect(getAgentText(await wharf.turn(task, "demo: recall"))).toContain("demo: say kept");
    await wharf.prompt(task, "demo: hang");
    await wharf.client.call(api.cancelTask, { params: { task_id: task.id } });
    expect(await wharf.task(task.id)).toMatchObject({ state: "CANCELLED" });
    expect(getAgentText(await wharf.turn(task, "demo: recall"))).toContain("demo: say kept");
    expect(await waitUntilSettled(wharf, task)).toMatchObject({ state: "REVIEW" });
  });

  test("to a task without a repository, and an answer or a stop without anything to answer or stop, report what is missing", async () => {
    const { default_board_id } = await wharf.client.call(api.serverInfo, {});
    const task = await wharf.client.call(api.createTask, {
      params: { board_id: default_board_id! },
      body: { title: "t", description: "d", agent_type: "demo" },
    });
    await expect(wharf.prompt(task, "x")).rejects.toMatchObject({
      code: "task_needs_repository",
      next: expect.stringContaining("--repo"),
    });
    await expect(
      wharf.client.call(api.answerPermission, { params: { task_id: task.id, permission_id: "none" }, body: {} }),
    ).rejects.toMatchObject({ code: "permission_request_not_found" });
    await expect(wharf.client.call(api.stopTask, { params: { task_id: task.id }, body: {} })).rejects.toMatchObject({
      code: "no_run",
    });
    await expect(
      wharf.client.call(api.setTaskState, { params: { task_id: task.id }, body: { state: "REVIEW" } }),
    ).rejects.toMatchObject({ code: "task_transition_invalid" });
  });
});

describe("a deletion while the agent works", () => {
  /** A sleep time that identifies the processes that the agent leaves in the background. */
  const mark = String(randomInt(1e8, 1e9));

  async function startAgent(boardId?: string): Promise<{ task: Task; runner: string }> {
    const { default_board_id } = await wharf.client.call(api.serverInfo, {});
    const body = {
      title: "t",
      description: "d",
      agent_type: "demo",
      permission_policy: "allow-all" as const,
      repository_url: good,
    };
    const task = await wharf.client.call(api.createTask, { params: { board_id: boardId ?? default_board_id! }, body });
    // The process is in its own session before the command ends, so it no longer has a parent.
    await wharf.prompt(task, `demo: run (setsid sleep ${mark} &) > /dev/null 2>&1; sleep 0.3\ndemo: hang`);
    await wharf.until(task.id, ({ data }) => data.kind === "message" && data.text.includes("exit code"));
    const { agents } = await wharf.client.call(api.listTaskAgents, { params: { task_id: task.id } });
    return { task, runner: agents[0]!.runner_id! };
  }

  const isGone = (runner: string) =>
    eventually(() => ({ folder: existsSync(join(wharf.data, "runners", runner)), ...findTraces(runner) }), {
      folder: false,
      ...noTraces,
    });

  // K-034
  test("removes a task with its log, and soon its runner's folder and processes", async () => {
    const { task, runner } = await startAgent();
    expect(findTraces(runner).processes.length).toBeGreaterThan(0);
    expect(findTraces(mark).processes.length).toBeGreaterThan(0);
    await wharf.client.call(api.deleteTask, { params: { task_id: task.id } });
    await expect(wharf.task(task.id)).rejects.toMatchObject({ code: "task_not_found" });
    await isGone(runner);
    expect(findTraces(mark)).toEqual(noTraces);
    await bystander.works();
  });

  // K-041
  test("removes a board with its tasks and their runners", async () => {
    const { default_board_id } = await wharf.client.call(api.serverInfo, {});
    const first = { params: { board_id: default_board_id! } };
    await expect(wharf.client.call(api.deleteBoard, first)).rejects.toMatchObject({ code: "board_is_default" });
    const board = await wharf.client.call(api.createBoard, { body: { name: "for a while" } });
    const { task, runner } = await startAgent(board.id);
    await wharf.client.call(api.deleteBoard, { params: { board_id: board.id } });
    await expect(wharf.task(task.id)).rejects.toMatchObject({ code: "task_not_found" });
    await isGone(runner);
    await bystander.works();
  });
});

describe("a second server", () => {
  const start = (environment: Record<string, string>) =>
    startServer({
      config: readConfig({ ...wharf.environment, ...environment }),
      kit: "/nonexistent",
      version: "0.0.0",
      environment,
    });

  test("on the same data folder gets an error that names the first, which is unaffected", async () => {
    await expect(start({})).rejects.toMatchObject({
      code: "data_folder_busy",
      context: { pid: String(wharf.pid), path: wharf.data },
      next: expect.stringContaining("wharf down"),
    });
    await bystander.works();
  });

  test("on a port that is in use reports it, and leaves no lock and no database behind", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const elsewhere = join(folder, "elsewhere");
    await expect(start({ WHARF_DATA: elsewhere, WHARF_PORT: String(port) }).catch(getCode)).resolves.toBe("port_taken");
    other.close();
    expect(findTraces(elsewhere)).toEqual(noTraces);
    const server = await start({ WHARF_DATA: elsewhere, WHARF_PORT: String(port) });
    expect(server.url).toBe(`http://127.0.0.1:${port}`);
    await server.stop();
    expect(findTraces(elsewhere)).toEqual(noTraces);
    await bystander.works();
  });
});
