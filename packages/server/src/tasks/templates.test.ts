import { expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { addPerson } from "../../test/people.ts";
import { Boards } from "./boards.ts";
import { fillTemplate, Templates } from "./templates.ts";

const createTemplates = (f: Fixture) => new Templates(f.db, new Boards(f.db));
const fields = { description: "fix {{issue}}" };
const asWriter = <S>(scope: S) => ({ ...scope, is_operator: false, needs: "template:write" as const });

test("a template of the same name and board is replaced, and one of a board is as visible as the board", async () => {
  await using f = await fixture();
  const templates = createTemplates(f);
  const [ada, bob] = [asWriter(await addPerson(f, "ada")), asWriter(await addPerson(f, "bob"))];
  await templates.set(f.owner, { name: "bug", fields });
  const own = await templates.set(ada, { name: "bug", board_id: ada.board_id, fields });
  const replaced = await templates.set(ada, { name: "bug", board_id: ada.board_id, fields: { description: "x" } });
  expect(replaced).toMatchObject({ id: own.id, fields: { description: "x" }, placeholders: [] });
  const listBoards = async (scope: typeof ada) =>
    (await templates.list(scope, { limit: 100 })).rows.map(({ board_id }) => board_id);
  expect([await listBoards(ada), await listBoards(bob)]).toEqual([[null, ada.board_id], [null]]);
  await expect(templates.find(bob, own.id)).rejects.toMatchObject({ code: "template_not_found" });
  await expect(templates.remove(bob, own.id)).rejects.toMatchObject({ code: "template_not_found" });
  const stranger = asWriter(await addPerson(f, "eve", crypto.randomUUID()));
  expect(await templates.list(stranger, { limit: 100 })).toEqual({ rows: [] });
});

test("only admins change templates of the organization", async () => {
  await using f = await fixture();
  const templates = createTemplates(f);
  const ada = asWriter(await addPerson(f, "ada"));
  const denied = { code: "permission_missing", context: { permission: "organization:admin" } };
  await expect(templates.set(ada, { name: "bug", fields })).rejects.toMatchObject(denied);
  const { id } = await templates.set(f.owner, { name: "bug", fields });
  await expect(templates.remove(ada, id)).rejects.toMatchObject(denied);
  await templates.remove(f.owner, id);
  expect(await templates.list(f.owner, { limit: 100 })).toEqual({ rows: [] });
});

test("an organization has at most 1,000 templates, of which one can still be replaced", async () => {
  await using f = await fixture();
  const templates = createTemplates(f);
  await f.pool.query(
    `insert into task_templates (id, organization_id, name, fields)
     select gen_random_uuid(), $1, 't' || n, '{"description": "x"}' from generate_series(1, 1000) n`,
    [f.owner.organization_id],
  );
  await expect(templates.set(f.owner, { name: "more", fields })).rejects.toMatchObject({ code: "templates_full" });
  expect(await templates.set(f.owner, { name: "t1", fields })).toMatchObject({ fields });
});

test("a task gets the values of all placeholders as they are, and its own fields instead of the template's", () => {
  const template = {
    fields: { title: "Fix {{issue}}", description: "Fix {{ issue }} in {{area}}, {{issue}}", branch: "main" },
    placeholders: ["issue", "area"],
  };
  const values = { issue: "{{area}} $& 7", area: "src" };
  expect(fillTemplate(template, { values, agent_type: "demo" })).toEqual({
    title: "Fix {{area}} $& 7",
    description: "Fix {{area}} $& 7 in src, {{area}} $& 7",
    branch: "main",
    agent_type: "demo",
    priority: 0,
  });
  expect(fillTemplate(template, { values, branch: "next", title: "Mine" })).toMatchObject({
    branch: "next",
    title: "Mine",
  });
  expect(() => fillTemplate(template, { values: { issue: "7" } })).toThrow(
    expect.objectContaining({ code: "template_values_missing", context: { names: ["area"] } }),
  );
  expect(() => fillTemplate(template, { values: { ...values, more: "x" } })).toThrow(
    expect.objectContaining({ code: "template_value_unknown" }),
  );
});

test("a template has a budget only if its writer may set budgets", async () => {
  await using f = await fixture();
  const templates = createTemplates(f);
  const ada = asWriter(await addPerson(f, "ada"));
  const { board_id } = ada;
  const denied = { code: "permission_missing", context: { permission: "budget:write" } };
  const withBudget = { ...fields, budget_usd: 2 };
  await expect(templates.set(ada, { name: "bug", board_id, fields: withBudget })).rejects.toMatchObject(denied);
  const owner = asWriter(f.owner);
  await templates.set(owner, { name: "bug", board_id, fields: withBudget });
  for (const other of [fields, { ...fields, budget_usd: 3 }])
    await expect(templates.set(ada, { name: "bug", board_id, fields: other })).rejects.toMatchObject(denied);
  const changed = { description: "changed", budget_usd: 2 };
  expect(await templates.set(ada, { name: "bug", board_id, fields: changed })).toMatchObject({ fields: changed });
  await templates.set(owner, { name: "bug", board_id, fields });
  await templates.set(ada, { name: "bug", board_id, fields: { description: "without" } });
});
