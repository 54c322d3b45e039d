import { AgentTypeInput } from "@wharf/contract";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { addPerson, addWaitingRuns } from "../../test/people.ts";
import { schema } from "../store/index.ts";
import { AgentTypes } from "./agent-types.ts";

const { runs } = schema;

async function openTypes(f: Fixture, hasHostPrograms = false) {
  const types = new AgentTypes(f.db, {
    routes: {},
    images: { prefix: "", tag: "latest" },
    hasHostPrograms,
    findMissingReason: async () => undefined,
  });
  await types.seed();
  const admin = { ...(await addPerson(f, "ada", crypto.randomUUID())), role: "admin", is_operator: false } as const;
  const other = { ...(await addPerson(f, "zoe", crypto.randomUUID())), role: "admin", is_operator: false } as const;
  return { types, admin, other, operator: f.owner };
}
const parse = (fields: Partial<AgentTypeInput> = {}) =>
  AgentTypeInput.parse({ name: "gemini", command: ["mine"], ...fields });

describe("an organization's own agent type", () => {
  test("takes the place of the server's type of the same name there, and nowhere else", async () => {
    await using f = await fixture();
    const { types, admin, other, operator } = await openTypes(f);
    const own = await types.create(admin, parse());
    expect(own).toMatchObject({ shared: false, command: ["mine"] });
    const findGemini = async (person: typeof admin | typeof operator) =>
      (await types.list(person, { limit: 100 })).rows.filter(({ name }) => name === "gemini").map(({ id }) => id);
    expect(await findGemini(admin)).toEqual([own.id]);
    expect((await types.chooseType(admin, "gemini")).id).toBe(own.id);
    for (const person of [other, operator]) {
      expect(await findGemini(person)).not.toContain(own.id);
      expect(await types.get(person, "gemini")).toMatchObject({
        shared: true,
        command: ["gemini", "--acp", "-m", "gemini-2.5-flash"],
      });
      await expect(types.get(person, own.id)).rejects.toMatchObject({ code: "agent_type_not_found" });
      await expect(types.update(person, own.id, { enabled: false })).rejects.toMatchObject({
        code: "agent_type_not_found",
      });
    }
    await types.create(other, parse());
    await expect(types.create(admin, parse())).rejects.toMatchObject({ code: "agent_type_exists" });
    await types.seed();
    expect((await types.get(admin, "gemini")).command).toEqual(["mine"]);
    // Runs of other organizations use other types.
    await addWaitingRuns(f, other);
    await f.db.update(runs).set({ agent_type: "gemini" });
    await types.remove(admin, "gemini");
    expect(await types.get(admin, "gemini")).toMatchObject({ shared: true });
  });

  test("is all that its admins may change: the server's types belong to operators", async () => {
    await using f = await fixture();
    const { types, admin, operator } = await openTypes(f);
    const refused = { code: "agent_type_shared", status: 403 };
    await expect(types.update(admin, "gemini", { command: ["mine"] })).rejects.toMatchObject(refused);
    await expect(types.remove(admin, "gemini")).rejects.toMatchObject(refused);
    await expect(types.create(admin, { ...parse({ name: "all" }), shared: true })).rejects.toMatchObject({
      code: "permission_missing",
    });
    expect(await types.create(operator, parse({ name: "all" }))).toMatchObject({ shared: true });
    expect(await types.create(operator, { ...parse({ name: "home" }), shared: false })).toMatchObject({
      shared: false,
    });
    await expect(types.get(admin, "home")).rejects.toMatchObject({ code: "agent_type_not_found" });
    expect(await types.get(admin, "all")).toMatchObject({ command: ["mine"] });
  });

  test("brings no further programs of the server's machine into runners", async () => {
    await using f = await fixture();
    const { types, admin, operator } = await openTypes(f, true);
    const server = { name: "tools", args: [], env: {} };
    for (const fields of [
      { command: ["deploy"] },
      { command: ["gemini"], programs: ["deploy"] },
      { command: ["gemini"], mcp_servers: [{ ...server, command: "deploy" }] },
    ])
      await expect(types.create(admin, parse(fields))).rejects.toThrow("deploy");
    const own = await types.create(admin, parse({ command: ["claude-agent-acp"] }));
    await expect(types.update(admin, own.id, { programs: ["deploy"] })).rejects.toMatchObject({ code: "bad_request" });
    await types.create(operator, parse({ name: "deploy", command: ["deploy"] }));
    expect(await types.update(admin, own.id, { programs: ["deploy"] })).toMatchObject({ programs: ["deploy"] });
  });
});
