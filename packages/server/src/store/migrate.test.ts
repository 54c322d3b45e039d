import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type pg from "pg";
import { expect, test } from "vitest";
import { testDatabase } from "../../test/database.ts";

/** Returns the SQL of one migration, as statements. */
async function readMigration(name: string): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, "migrations", `${name}.sql`), "utf8");
  return text.split("--> statement-breakpoint");
}

test("adds the values that a later version needs to an earlier version's rows", async () => {
  await using database = await testDatabase();
  const { pool } = database;
  await pool.query("drop schema public cascade; create schema public");
  for (const statement of await readMigration("0000_keel")) await pool.query(statement);
  const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
  await pool.query(`
    insert into organizations (id, name, slug) values ('${id(1)}', 'Home', 'home');
    insert into users (id, organization_id, email, username) values ('${id(2)}', '${id(1)}', 'o@localhost', 'owner');
    insert into boards (id, organization_id, owner_id, name) values ('${id(3)}', '${id(1)}', '${id(2)}', 'Board');
    insert into tasks (id, board_id, title, description, shadow_branch)
      values ('${id(4)}', '${id(3)}', 'a task', 'do it', 'shadow/task');
    insert into runners (id, backend, tier, wire_epoch) values ('${id(5)}', 'local', 'small', 3);
    insert into runs (id, task_id, agent_type, runner_id) values ('${id(6)}', '${id(4)}', 'demo', '${id(5)}');
    insert into turns (id, task_id, run_id, prompt) values ('${id(7)}', '${id(4)}', '${id(6)}', 'go on');
    insert into events (task_id, seq, type, kind, data, timestamp) values
      ('${id(4)}', 8, 'status', 'turn', '{"kind": "turn", "turn_id": "${id(7)}", "status": "queued"}', now()),
      ('${id(4)}', 9, 'output', 'message', '{"kind": "message", "role": "user", "text": "go on"}', now());
  `);
  for (const statement of await readMigration("0001_ownership_and_limits")) await pool.query(statement);
  const { rows } = await pool.query(`
    select runs.board_id as run_board, runners.board_id as runner_board, turns.prompt_seq
    from runs join runners on runners.id = runs.runner_id join turns on turns.run_id = runs.id
  `);
  expect(rows).toEqual([{ run_board: id(3), runner_board: id(3), prompt_seq: "9" }]);
  const leases = await pool.query("select runner_id, server_id, epoch, place from runner_leases");
  expect(leases.rows).toEqual([{ runner_id: id(5), server_id: null, epoch: "3", place: "" }]);
  expect((await pool.query("select * from agent_logs")).rowCount).toBe(0);
});

test("keeps everybody's role, and gives boards to the people who own them", async () => {
  await using database = await testDatabase();
  const { pool } = database;
  await pool.query("drop schema public cascade; create schema public");
  const names = (await readdir(join(import.meta.dirname, "migrations"))).filter((name) => name.endsWith(".sql")).sort();
  const applyUntil = async (last: string) => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      for (const statement of await readMigration(name.slice(0, -4))) await pool.query(statement);
      if (name.startsWith(last)) return;
    }
  };
  await applyUntil("0013");
  const id = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
  await pool.query(`
    insert into organizations (id, name, slug) values ('${id(1)}', 'Home', 'home');
    insert into users (id, organization_id, email, username, role) values
      ('${id(2)}', '${id(1)}', 'o@localhost', 'owner', 'admin'), ('${id(3)}', '${id(1)}', 'a@localhost', 'ada', 'viewer');
    insert into boards (id, organization_id, owner_id, name) values ('${id(4)}', '${id(1)}', '${id(3)}', 'Board');
  `);
  await applyUntil("end");
  const members = await pool.query("select organization_id, user_id, role from memberships order by user_id");
  expect(members.rows).toEqual([
    { organization_id: id(1), user_id: id(2), role: "admin" },
    { organization_id: id(1), user_id: id(3), role: "viewer" },
  ]);
  const boards = await pool.query("select board_id, user_id, role from board_members");
  expect(boards.rows).toEqual([{ board_id: id(4), user_id: id(3), role: "owner" }]);
  const users = await pool.query("select username, is_operator from users order by username");
  expect(users.rows).toEqual([
    { username: "ada", is_operator: false },
    { username: "owner", is_operator: true },
  ]);
});

/** Whether titles of tasks have an index of their parts. */
const hasTitleIndex = async (client: Pick<pg.ClientBase, "query">): Promise<boolean> =>
  (await client.query("select from pg_indexes where indexname = 'tasks_title'")).rowCount === 1;

test("indexes the titles of tasks", async () => {
  await using database = await testDatabase();
  expect(await hasTitleIndex(database.pool)).toBe(true);
});

test("leaves out the index of titles if the server's user may not create its extension", async () => {
  await using database = await testDatabase();
  const client = await database.pool.connect();
  const role = `plain_${Date.now()}`;
  try {
    await client.query("drop extension pg_trgm cascade");
    await client.query(
      `create role ${role}; alter table tasks owner to ${role}; grant all on schema public to ${role}`,
    );
    await client.query(`set role ${role}`);
    for (const statement of await readMigration("0042_task_titles")) await client.query(statement);
    expect(await hasTitleIndex(client)).toBe(false);
    await client.query("select title from tasks where title ilike '%x%'");
  } finally {
    await client.query(
      `reset role; reassign owned by ${role} to current_user; drop owned by ${role}; drop role ${role}`,
    );
    client.release();
  }
});
