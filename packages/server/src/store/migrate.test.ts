import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
