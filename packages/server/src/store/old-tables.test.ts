import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { type Fixture, fixture } from "../../test/fixture.ts";

/** Reads the type of each column, its default and whether it may be null. */
async function readColumns({ db }: Fixture, table: string): Promise<Record<string, string>> {
  const { rows } = await db.execute<{ name: string; type: string; length: number | null; empty: string }>(sql`
    select column_name as name, udt_name as type, character_maximum_length as length,
      case is_nullable when 'YES' then ' null' else '' end as empty
    from information_schema.columns where table_schema = 'public' and table_name = ${table}`);
  return Object.fromEntries(
    rows.map(({ name, type, length, empty }) => [name, `${type}${length === null ? "" : `(${length})`}${empty}`]),
  );
}

const count = async ({ db }: Fixture, table: string) =>
  Number((await db.execute(sql`select count(*) as n from ${sql.identifier(table)}`)).rows[0]?.["n"]);

async function addUser({ db }: Fixture, name: string, email = `${name}@example.com`): Promise<string> {
  const id = randomUUID();
  await db.execute(sql`insert into users (id, email, username) values (${id}, ${email}, ${name})`);
  return id;
}

describe("the table", () => {
  // K-016
  test("users has unique names and addresses of at most 100 and 255 characters, and the hash of a password", async () => {
    await using f = await fixture();
    expect(await readColumns(f, "users")).toMatchObject({
      id: "uuid",
      email: "varchar(255)",
      username: "varchar(100)",
      password_hash: "text null",
      created_at: "timestamptz",
      updated_at: "timestamptz",
    });
    await addUser(f, "ada");
    await expect(addUser(f, "ada", "another@example.com")).rejects.toMatchObject({ cause: { code: "23505" } });
    await expect(addUser(f, "bob", "ada@example.com")).rejects.toMatchObject({ cause: { code: "23505" } });
  });

  // K-017
  test("boards has a name, a description and an owner, with whom a board ends", async () => {
    await using f = await fixture();
    expect(await readColumns(f, "boards")).toMatchObject({
      id: "uuid",
      name: "varchar(255)",
      description: "text",
      owner_id: "uuid",
      created_at: "timestamptz",
      updated_at: "timestamptz",
    });
    const owner_id = await addUser(f, "ada");
    const boards = await count(f, "boards");
    const insert = (owner: string) =>
      f.db.execute(sql`
        insert into boards (id, organization_id, name, owner_id)
        values (${randomUUID()}, ${f.owner.organization_id}, 'of ada', ${owner})`);
    await expect(insert(randomUUID())).rejects.toMatchObject({ cause: { code: "23503" } });
    await insert(owner_id);
    expect(await count(f, "boards")).toBe(boards + 1);
    await f.db.execute(sql`delete from users where id = ${owner_id}`);
    expect(await count(f, "boards")).toBe(boards);
  });

  // K-024
  test("agent_types has unique names, an image with the tag latest, resources, variables and capabilities", async () => {
    await using f = await fixture();
    expect(await readColumns(f, "agent_types")).toMatchObject({
      id: "uuid",
      name: "varchar(100)",
      description: "text",
      docker_image: "text null",
      docker_tag: "text",
      default_resources: "jsonb",
      environment_vars: "jsonb",
      capabilities: "jsonb",
      enabled: "bool",
      created_at: "timestamptz",
      updated_at: "timestamptz",
    });
    const insert = (name: string) =>
      f.db.execute(sql`
        insert into agent_types (id, name, command, default_resources) values (${randomUUID()}, ${name}, '["sh"]', '{}')
        returning docker_tag, enabled, environment_vars, capabilities`);
    const { rows } = await insert("mine");
    expect(rows).toEqual([{ docker_tag: "latest", enabled: true, environment_vars: {}, capabilities: [] }]);
    await expect(insert("mine")).rejects.toMatchObject({ cause: { code: "23505" } });
    await insert("another");
  });

  // X-006
  test("tasks has metadata as a binary JSON column", async () => {
    await using f = await fixture();
    expect(await readColumns(f, "tasks")).toMatchObject({ metadata: "jsonb" });
    const task = await f.newTask();
    await f.db.execute(sql`update tasks set metadata = '{"ticket": {"id": 7}}' where id = ${task.id}`);
    const { rows } = await f.db.execute(
      sql`select metadata -> 'ticket' ->> 'id' as id from tasks where id = ${task.id}`,
    );
    expect(rows).toEqual([{ id: "7" }]);
  });
});
