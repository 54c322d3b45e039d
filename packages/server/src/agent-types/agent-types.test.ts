import { AgentTypeInput } from "@wharf/contract";
import { eq, inArray, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { type AgentTypeRow, AgentTypes } from "./agent-types.ts";
import { launchOf } from "./launch.ts";

const { agent_types } = schema;
const typesOf = (f: Fixture) =>
  new AgentTypes(f.db, { routes: {}, images: { prefix: "", tag: "latest" }, missing: async () => undefined });

// K-028
test("an agent that an earlier version added gets its image, and one that a person made or changed keeps what it has", async () => {
  await using f = await fixture();
  const types = typesOf(f);
  await types.seed();
  await f.db.delete(agent_types).where(eq(agent_types.name, "codex"));
  await types.create(AgentTypeInput.parse({ name: "codex", command: ["my-codex"] }));
  // As a version left them that knew no images.
  await f.db
    .update(agent_types)
    .set({ docker_image: null, updated_at: sql`${agent_types.updated_at}` })
    .where(inArray(agent_types.name, ["gemini", "claude", "qwen"]));
  await types.update("claude", { environment_vars: { MINE: "1" } });
  await types.update("auggie", { docker_image: "my-auggie", docker_tag: "v2" });
  await types.update("qwen", { enabled: false });
  const before = await f.db.select().from(agent_types);
  await types.seed();
  await types.seed();
  const images = Object.fromEntries((await types.list()).map((type) => [type.name, type.docker_image]));
  expect(images).toMatchObject({
    gemini: "wharf-gemini",
    claude: null,
    codex: null,
    auggie: "my-auggie",
    qwen: null,
    opencode: "wharf-opencode",
    demo: null,
  });
  const after = await f.db.select().from(agent_types);
  const others = (rows: typeof before) => rows.filter(({ name }) => name !== "gemini").map((row) => [row.id, row]);
  expect(Object.fromEntries(others(after))).toEqual(Object.fromEntries(others(before)));
});

test("a name that another type has is a conflict, also where two take it at once", async () => {
  await using f = await fixture();
  const types = typesOf(f);
  const names = ["one", "two", "three", "four"];
  for (const name of names) await types.create(AgentTypeInput.parse({ name, command: ["x"] }));
  await expect(types.update("one", { name: "two" })).rejects.toMatchObject({ code: "conflict", status: 409 });
  const ends = await Promise.allSettled(names.map((name) => types.update(name, { name: "five" })));
  expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const end of ends) if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "conflict" });
});

test("a type whose model route has no key names the setting, and one whose route does not exist says so", async () => {
  await using f = await fixture();
  const types = typesOf(f);
  for (const route of ["openai", "zzz"])
    await types.create(AgentTypeInput.parse({ name: route, command: ["x"], model_route: route }));
  const reasons = await Promise.all(["openai", "zzz"].map(async (name) => (await types.get(name)).unavailable_reason));
  expect(reasons).toEqual([
    "the server has no key for the model route 'openai': set OPENAI_API_KEY in its environment",
    "there is no model route 'zzz', only gemini, anthropic, openai",
  ]);
});

test("only Wharf's own names are replaced in what an agent is started with", () => {
  const type = {
    command: ["x", "${constructor} ${toString} ${HOME} ${WHARF_TOKEN}"],
    environment_vars: { A: "${__proto__}" },
    home_files: {},
    model_route: "constructor",
  } as unknown as AgentTypeRow;
  expect(launchOf(type, "secret", {})).toEqual({
    command: ["x", "${constructor} ${toString} ${HOME} secret"],
    environment: { A: "${__proto__}" },
    home_files: {},
    model_route: "constructor",
  });
});
