import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { OldPathsHarness } from "./support/old-paths.ts";

/** Runs and agent types under the paths, fields and statuses of the old systems. */
const old = new OldPathsHarness({ PATH: "" });
const { send, server } = old;
const bin = join(old.folder, "bin");
Object.assign(server.environment, { PATH: `${bin}:${process.env["PATH"]}` });

beforeAll(() => {
  mkdirSync(bin);
  return server.start();
});
afterAll(() => old[Symbol.asyncDispose]());

const missing = "00000000-0000-4000-8000-000000000000";
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
const createTask = (description: string) => server.createTask({ repository_url: old.repository, description });
const start = (id: string, body?: object) => send("POST", `/api/v1/orchestrator/tasks/${id}/start`, body);

describe("a run", () => {
  // K-055
  test("is started by POST /api/v1/orchestrator/tasks/{id}/start with an agent and a priority", async () => {
    const task = await createTask("demo: say started");
    const { status, body } = await start(task.id, { agent_type: "demo", priority: 8 });
    expect({ status, body }).toMatchObject({ status: 202, body: { agent_instance_id: uuid } });
    expect((await send("GET", `/api/v1/agents/${body.agent_instance_id}`)).body).toMatchObject({
      task_id: task.id,
      agent_type: "demo",
    });
    expect((await send("GET", `/api/v1/tasks/${task.id}`)).body.priority).toBe(8);
    await server.until(task.id, ({ data }) => data.kind === "message" && data.text.includes("started"));
    expect((await start(task.id, { priority: 11 })).status).toBe(400);
    expect((await start(task.id, { agent_type: "no-such-agent" })).status).toBe(404);
    expect(await start(missing)).toMatchObject({ status: 404, body: { code: "task_not_found" } });
  });

  // K-043 K-044 K-047
  test("is listed by GET /api/v1/agents and by GET /api/v1/tasks/{taskId}/agents, and read by its id", async () => {
    const task = await createTask("demo: say listed");
    const { agent_instance_id: id } = (await start(task.id)).body;
    await eventually(async () => (await send("GET", `/api/v1/tasks/${task.id}`)).body.state, "REVIEW", 30_000);
    const { status, body: run } = await send("GET", `/api/v1/agents/${id}`);
    expect(status).toBe(200);
    expect(run).toMatchObject({
      id,
      task_id: task.id,
      agent_type: "demo",
      attempt: 1,
      created_at: time,
      started_at: time,
    });
    const all = await send("GET", "/api/v1/agents");
    expect(all.status).toBe(200);
    expect(all.body.agents[0]).toEqual(run);
    expect(all.body.agents.length).toBe(all.body.total);
    expect((await send("GET", `/api/v1/agents?status=${run.status}&limit=1`)).body.agents).toEqual([run]);
    expect((await send("GET", "/api/v1/agents?status=PENDING")).body.agents).toEqual([]);
    expect(await send("GET", `/api/v1/tasks/${task.id}/agents`)).toMatchObject({
      status: 200,
      body: { agents: [run] },
    });
    const untouched = await createTask("demo: say nothing");
    expect((await send("GET", `/api/v1/tasks/${untouched.id}/agents`)).body.agents).toEqual([]);
    for (const path of [`/api/v1/agents/${missing}`, `/api/v1/tasks/${missing}/agents`])
      expect((await send("GET", path)).status).toBe(404);
  });

  // G-062
  test("shows its session, its person, whether it is active, and its last activity", async () => {
    const { body: me } = await send("GET", "/api/v1/whoami");
    const task = await createTask("demo: say hello\ndemo: sleep 60s");
    const read = async () => (await send("GET", `/api/v1/orchestrator/tasks/${task.id}/status`)).body;
    expect(await read()).toMatchObject({ active: false, created_at: task.created_at });
    await start(task.id);
    await server.until(task.id, ({ data }) => data.kind === "message" && data.text.includes("hello"));
    await eventually(async () => typeof (await read()).session_id, "string", 30_000);
    const status = await read();
    expect(status).toMatchObject({ user_id: me.user.id, active: true, last_activity: time });
    expect(status.created_at).toBe(task.created_at);
    const events = await server.events(task.id);
    expect(Date.parse(status.last_activity)).toBeGreaterThanOrEqual(Date.parse(events[0]!.timestamp));
    await send("POST", `/api/v1/orchestrator/tasks/${task.id}/stop`);
    await eventually(async () => (await read()).active, false, 30_000);
  });

  // K-008
  test("has messages of the types progress, log, result, error, status and heartbeat", async () => {
    const types = ["progress", "log", "result", "error", "status", "heartbeat"];
    const lines = types.map((type) => JSON.stringify({ type, data: { message: `a ${type}` } }));
    writeFileSync(join(bin, "six-types"), `#!/bin/sh\ncat > /dev/null\ncat << 'END'\n${lines.join("\n")}\nEND\n`, {
      mode: 0o755,
    });
    const type = { name: "six-types", command: ["six-types"], protocol: "json-lines" };
    expect((await send("POST", "/api/v1/agent-types", type)).status).toBe(201);
    const task = await server.createTask({ repository_url: old.repository, agent_type: "six-types" });
    const events = await server.turn(task, "print them");
    const reports = events.filter(({ data }) => data.kind === "report");
    expect(reports.map((event) => event.type)).toEqual(types);
    expect(reports.map(({ data }) => "message" in data && data.message)).toEqual(types.map((one) => `a ${one}`));
    for (const event of await server.events(task.id)) expect(types).toContain(event.type);
  });
});

describe("an agent type", () => {
  const input = { name: "of-a-program", description: "old", command: ["sh", "-c", "true"], docker_image: "acme/agent" };

  // K-050
  test("is created by POST /api/v1/agent-types, only by admins", async () => {
    const { status, body } = await send("POST", "/api/v1/agent-types", input);
    expect(status).toBe(201);
    expect(body).toMatchObject({ ...input, id: uuid, docker_tag: "latest", enabled: true, capabilities: [] });
    expect(body).toMatchObject({ environment_vars: {}, created_at: time, updated_at: time });
    expect(Object.keys(body.default_resources).toSorted()).toEqual(["cpu", "disk", "memory"]);
    expect((await send("POST", "/api/v1/agent-types", input)).status).toBe(409);
    expect((await send("POST", "/api/v1/agent-types", { name: "no-command" })).status).toBe(400);
    const member = await old.addPerson("member", "member");
    expect((await member("POST", "/api/v1/agent-types", { ...input, name: "another" })).status).toBe(403);
    expect((await send("GET", "/api/v1/agent-types/another")).status).toBe(404);
  });

  // K-048 K-049
  test("is listed by GET /api/v1/agent-types, and read by its id or name", async () => {
    const { status, body } = await send("GET", "/api/v1/agent-types");
    expect(status).toBe(200);
    const names: string[] = body.agent_types.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(["demo", "gemini", "auggie", "of-a-program"]));
    const type = body.agent_types.find(({ name }: { name: string }) => name === "of-a-program");
    for (const key of [type.id, type.name])
      expect(await send("GET", `/api/v1/agent-types/${key}`)).toEqual({ status: 200, body: type });
    expect((await send("GET", `/api/v1/agent-types/${missing}`)).status).toBe(404);
    const viewer = await old.addPerson("viewer", "viewer");
    expect((await viewer("GET", "/api/v1/agent-types")).body.agent_types).toHaveLength(names.length);
  });

  // K-051
  test("is changed by PUT /api/v1/agent-types/{typeId}, only by admins and in the fields of the body", async () => {
    const { body: before } = await send("GET", "/api/v1/agent-types/of-a-program");
    const path = `/api/v1/agent-types/${before.id}`;
    const change = { description: "new", docker_tag: "2", enabled: false };
    expect(await send("PUT", path, change)).toMatchObject({ status: 200, body: change });
    const { body: after } = await send("GET", path);
    const { updated_at: _, version: __, ...kept } = before;
    expect(after).toMatchObject({ ...kept, ...change, available: false, unavailable_reason: expect.any(String) });
    expect((await send("PUT", path, { docker_tag: 3 })).status).toBe(400);
    expect((await send("PUT", `/api/v1/agent-types/${missing}`, change)).status).toBe(404);
    const other = await old.addPerson("other", "member");
    expect((await other("PUT", path, { description: "of another" })).status).toBe(403);
    expect((await send("GET", path)).body.description).toBe("new");
  });

  test("shows the values of its variables, files and headers only to people who may change it", async () => {
    const secrets = {
      environment_vars: { TOKEN: "value-1" },
      home_files: { ".agent/config": "value-2" },
      mcp_servers: [
        { name: "program", command: "sh", args: [], env: { KEY: "value-3" } },
        { name: "address", url: "http://127.0.0.1:9", headers: { Authorization: "value-4" } },
      ],
    };
    const type = { name: "with-values", command: ["/bin/sh"], ...secrets };
    const admin = await old.addPerson("an-admin", "admin");
    for (const [shared, path] of [
      [true, "/api/v1/agent-types/with-values"],
      [false, "/api/v1/agent-types/with-values"],
    ] as const) {
      await send("POST", "/api/v1/agent-types", { ...type, shared });
      expect((await send("GET", path)).body).toMatchObject({ shared, values_hidden: false, ...secrets });
      const hidden = {
        values_hidden: true,
        environment_vars: { TOKEN: "" },
        home_files: { ".agent/config": "" },
        mcp_servers: [{ env: { KEY: "" } }, { headers: { Authorization: "" } }],
      };
      const reader = await old.addPerson(`reader-${shared}`, "viewer");
      expect((await reader("GET", path)).body).toMatchObject({ shared, ...hidden });
      expect(JSON.stringify((await reader("GET", "/api/v1/agent-types")).body)).not.toContain("value-");
      // Admins change the types of their organization, and only operators those of the server.
      expect((await admin("GET", path)).body.values_hidden).toBe(shared);
    }
    const narrow = { name: "narrow", user: "an-admin", permissions: ["agent-type:read"] };
    const { token } = (await send("POST", "/api/v1/tokens", narrow)).body;
    expect((await old.sendAs(token, "GET", "/api/v1/agent-types/with-values")).body.values_hidden).toBe(true);
  });
});
