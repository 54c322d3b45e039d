import { randomUUID } from "node:crypto";
import { AgentTypeInput } from "@wharf/contract";
import { eq, inArray, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { AgentTypes } from "./agent-types.ts";
import { createLaunch } from "./launch.ts";
import type { AgentTypeRow } from "./row.ts";

const { agent_types } = schema;
type Missing = ConstructorParameters<typeof AgentTypes>[1]["findMissingReason"];
const operator = { organization_id: randomUUID(), is_operator: true };
const createTypes = (f: Fixture, missing: Missing = async () => undefined) =>
  new AgentTypes(f.db, { routes: {}, images: { prefix: "", tag: "latest" }, findMissingReason: missing });

// K-028
test("an agent type of an earlier version gets its image, and one that a person created or changed keeps its values", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  await types.seed();
  await f.db.delete(agent_types).where(eq(agent_types.name, "codex"));
  await types.create(operator, AgentTypeInput.parse({ name: "codex", command: ["my-codex"] }));
  // The rows are as a version without images left them.
  await f.db
    .update(agent_types)
    .set({ docker_image: null, home_files: { old: "1" }, updated_at: sql`${agent_types.updated_at}` })
    .where(inArray(agent_types.name, ["gemini", "claude", "qwen"]));
  await types.update(operator, "claude", { environment_vars: { MINE: "1" } });
  await types.update(operator, "auggie", { docker_image: "my-auggie", docker_tag: "v2" });
  await types.update(operator, "qwen", { enabled: false });
  const before = await f.db.select().from(agent_types);
  await types.seed();
  await types.seed();
  const images = Object.fromEntries(
    (await types.list(operator, { limit: 100 })).rows.map((type) => [type.name, type.docker_image]),
  );
  expect(images).toMatchObject({
    gemini: "wharf-gemini",
    claude: null,
    codex: null,
    auggie: "my-auggie",
    qwen: null,
    opencode: "wharf-opencode",
    demo: null,
  });
  expect((await types.get(operator, "gemini")).home_files).toEqual({});
  const after = await f.db.select().from(agent_types);
  const getOtherRows = (rows: typeof before) =>
    rows.filter(({ name }) => name !== "gemini").map((row) => [row.id, row]);
  expect(Object.fromEntries(getOtherRows(after))).toEqual(Object.fromEntries(getOtherRows(before)));
});

test("the name of another type is a conflict, also when two requests use it at once", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  const names = ["one", "two", "three", "four"];
  for (const name of names) await types.create(operator, AgentTypeInput.parse({ name, command: ["x"] }));
  await expect(types.update(operator, "one", { name: "two" })).rejects.toMatchObject({
    code: "agent_type_exists",
    status: 409,
  });
  const ends = await Promise.allSettled(names.map((name) => types.update(operator, name, { name: "five" })));
  expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const end of ends)
    if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "agent_type_exists" });
});

test("a change of one resource leaves the others unchanged", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  await types.create(operator, AgentTypeInput.parse({ name: "mine", command: ["x"] }));
  const { default_resources } = await types.update(operator, "mine", { default_resources: { memory: "4g" } });
  expect(default_resources).toEqual({ cpu: "1.0", memory: "4g", disk: "10g" });
});

test("an added type can be removed unless a run uses it, and a built-in type cannot", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  await types.seed();
  await types.create(operator, AgentTypeInput.parse({ name: "mine", command: ["x"] }));
  await f.prompt(await f.newTask());
  await f.db.update(schema.runs).set({ agent_type: "mine" });
  await expect(types.remove(operator, "mine")).rejects.toMatchObject({ code: "agent_type_in_use" });
  await f.db.update(schema.runs).set({ status: "COMPLETED" });
  await types.remove(operator, "mine");
  await expect(types.get(operator, "mine")).rejects.toMatchObject({ code: "agent_type_not_found" });
  await expect(types.remove(operator, "gemini")).rejects.toThrow("wharf agent-types set gemini --disable");
  expect((await types.get(operator, "gemini")).name).toBe("gemini");
});

test("a program's path that runners do not have is refused and not stored", async () => {
  await using f = await fixture();
  const findMissingReason = async (program: string) =>
    program === "/usr/bin/env" ? undefined : `no ${program} in there`;
  const types = createTypes(f, findMissingReason);
  const add = (name: string, ...command: string[]) => types.create(operator, AgentTypeInput.parse({ name, command }));
  await expect(add("a", "./my-agent")).rejects.toThrow("command: runners do not have ./my-agent");
  await expect(add("b", "/home/me/agent")).rejects.toThrow("command: no /home/me/agent in there");
  expect(await types.list(operator, { limit: 100 })).toEqual({ rows: [] });
  expect(await add("c", "/usr/bin/env", "sh")).toMatchObject({ available: true });
  await expect(types.update(operator, "c", { command: ["../x"] })).rejects.toMatchObject({ code: "bad_request" });
  expect((await types.get(operator, "c")).command).toEqual(["/usr/bin/env", "sh"]);
});

test("an agent that consists of several programs needs all of them", async () => {
  await using f = await fixture();
  const there = new Set(["pi-acp"]);
  const findMissingReason = async (program: string) => (there.has(program) ? undefined : `'${program}' is not there`);
  const types = createTypes(f, findMissingReason);
  const input = { name: "pi", command: ["pi-acp"], programs: ["pi"] };
  expect(await types.create(operator, AgentTypeInput.parse(input))).toMatchObject({
    unavailable_reason: "'pi' is not there",
  });
  there.add("pi");
  expect(await types.get(operator, "pi")).toMatchObject({ available: true });
  expect(await types.listPrograms(operator)).toEqual(["pi", "pi-acp"]);
});

test("MCP servers are stored, available programs of them are listed, and only agents that speak acp may have them", async () => {
  await using f = await fixture();
  const findMissingReason = async (program: string) => (program === "lost" ? "'lost' is not there" : undefined);
  const types = createTypes(f, findMissingReason);
  const server = (name: string, command: string) => ({ name, command, args: ["a"], env: { B: "c" } });
  const mcp_servers = [server("one", "words"), server("two", "/workspace/mcp"), { name: "three", url: "http://x" }];
  const mine = await types.create(operator, AgentTypeInput.parse({ name: "mine", command: ["x"], mcp_servers }));
  expect((await types.get(operator, "mine")).mcp_servers).toEqual([
    ...mcp_servers.slice(0, 2),
    { ...mcp_servers[2], headers: {} },
  ]);
  expect(mine).toMatchObject({ available: true });
  expect(await types.listPrograms(operator)).toEqual(["words", "x"]);
  await types.update(operator, "mine", { description: "y" });
  expect((await types.get(operator, "mine")).mcp_servers).toHaveLength(3);
  const others = [server("one", "lost"), server("two", "node")];
  expect(await types.update(operator, "mine", { mcp_servers: others })).toMatchObject({ available: true });
  expect(await types.listPrograms(operator)).toEqual(["x"]);
  await expect(types.update(operator, "mine", { protocol: "text" })).rejects.toThrow(
    "mcp_servers: only agents that speak acp",
  );
  expect(
    AgentTypeInput.safeParse({ name: "x", command: ["x"], mcp_servers: [server("a", "b"), server("a", "c")] }).success,
  ).toBe(false);
  expect(AgentTypeInput.safeParse({ name: "x", command: ["x"], mcp_servers: [server("a", "./b")] }).success).toBe(
    false,
  );
});

test("an agent that needs a login is unavailable until its type has one, under any name and in any image", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  await types.seed();
  await types.create(
    operator,
    AgentTypeInput.parse({ name: "mine", command: ["/opt/auggie", "--acp"], docker_image: "my-auggie" }),
  );
  for (const name of ["auggie", "mine"]) {
    expect(await types.get(operator, name)).toMatchObject({
      available: false,
      unavailable_reason: `it needs a login: set one with \`wharf agent-types set ${name} --home-file .augment/session.json=<file>\`, or AUGMENT_SESSION_AUTH with --env`,
    });
    await expect(types.chooseType(operator, name)).rejects.toMatchObject({ code: "agent_type_unavailable" });
  }
  expect(await types.update(operator, "auggie", { environment_vars: { AUGMENT_SESSION_AUTH: "{}" } })).toMatchObject({
    available: true,
  });
  expect(await types.update(operator, "mine", { home_files: { ".augment/session.json": "{}" } })).toMatchObject({
    available: true,
  });
});

test("a type whose model route has no key reports the setting, and a type whose route does not exist reports that", async () => {
  await using f = await fixture();
  const types = createTypes(f);
  for (const route of ["openai", "zzz"])
    await types.create(operator, AgentTypeInput.parse({ name: route, command: ["x"], model_route: route }));
  const reasons = await Promise.all(
    ["openai", "zzz"].map(async (name) => (await types.get(operator, name)).unavailable_reason),
  );
  expect(reasons).toEqual([
    "the server has no key for the model route 'openai': set OPENAI_API_KEY in its environment",
    "there is no model route 'zzz', only gemini, anthropic, openai",
  ]);
});

test("only Wharf's own variables are replaced when an agent starts", () => {
  const type = {
    command: ["x", "${constructor} ${toString} ${HOME} ${WHARF_TOKEN}"],
    environment_vars: { A: "${__proto__}" },
    home_files: {},
    mcp_servers: [
      { name: "${WHARF_TOKEN}", command: "x", args: ["${HOME} ${WHARF_TOKEN}"], env: { T: "${WHARF_TOKEN}" } },
      { name: "u", url: "http://x/${WHARF_TOKEN}", headers: { H: "${WHARF_TOKEN} ${WHARF_GATEWAY}" } },
    ],
    model_route: "constructor",
  } as unknown as AgentTypeRow;
  expect(createLaunch(type, "secret", {})).toEqual({
    command: ["x", "${constructor} ${toString} ${HOME} secret"],
    environment: { A: "${__proto__}" },
    home_files: {},
    mcp_servers: [
      { name: "${WHARF_TOKEN}", command: "x", args: ["${HOME} secret"], env: { T: "secret" } },
      { name: "u", url: "http://x/secret", headers: { H: "secret ${WHARF_GATEWAY}" } },
    ],
    model_route: "constructor",
  });
});
