import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { fixture } from "../../test/fixture.ts";

describe("many tasks at once", () => {
  test("are found by id and by its beginning, in one statement", async () => {
    await using f = await fixture();
    const [a, b] = [await f.newTask(), await f.newTask()];
    await f.prompt(b);
    let statements = 0;
    f.pool.query = new Proxy(f.pool.query, {
      apply(query, self, parameters) {
        statements++;
        return Reflect.apply(query, self, parameters);
      },
    });
    const shortId = b.id.slice(0, 11);
    const nowhere = randomUUID();
    const wrong = [
      "",
      "%",
      "zzzzzzzz",
      a.id.slice(0, 7),
      "\0",
      `${a.id}0`,
      `'${a.id}`,
      a.id.slice(0, 20).replaceAll("-", "_"),
    ];
    const asked = [a.id, a.id, shortId, nowhere, ...wrong];
    const { found, missing, ambiguous } = await f.tasks.findMany(f.owner, asked);
    expect(statements).toBe(1);
    const { last_seq } = await f.tasks.find(f.owner, b.id);
    expect(last_seq).toBeGreaterThan(1);
    expect([...found]).toEqual(
      expect.arrayContaining([
        [a.id, { id: a.id, last_seq: 1 }],
        [shortId, { id: b.id, last_seq }],
      ]),
    );
    expect(found.size).toBe(2);
    expect(missing).toEqual([nowhere, ...wrong]);
    expect(ambiguous).toEqual([]);
  });

  test("are not found on other users' boards, nor by a beginning that matches several", async () => {
    await using f = await fixture();
    const task = await f.newTask();
    const shared = task.id.slice(0, 8);
    await f.db.execute(sql`insert into tasks (id, board_id, title, description, shadow_branch)
      select ${shared + randomUUID().slice(8)}, board_id, title, description, 'another' from tasks`);
    expect(await f.tasks.findMany(f.owner, [shared])).toMatchObject({ missing: [], ambiguous: [shared] });
    const stranger = await f.tasks.findMany({ ...f.owner, user_id: randomUUID(), role: "member" }, [shared, task.id]);
    expect(stranger).toMatchObject({ missing: [shared, task.id], ambiguous: [] });
    expect(stranger.found.size).toBe(0);
  });
});
