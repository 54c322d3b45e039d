import { AgentTypeInput } from "@wharf/contract";
import { eq, inArray, sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { schema } from "../store/index.ts";
import { AgentTypes } from "./agent-types.ts";

const { agent_types } = schema;
const typesOf = (f: Fixture) => new AgentTypes(f.db, { routes: {}, missing: async () => undefined });

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
