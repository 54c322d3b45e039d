import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServedApi, serveApi, token } from "../../../test/api.ts";
import { type Fixture, fixture } from "../../../test/fixture.ts";
import { IdempotencyKeys } from "../../access/index.ts";
import { schema } from "../../store/index.ts";

let f: Fixture;
/** Two servers of one installation. */
let servers: readonly [ServedApi, ServedApi];
beforeAll(async () => {
  f = await fixture();
  servers = [await serveApi(f), await serveApi(f)];
});
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

interface Sent {
  readonly key: string;
  readonly path?: string;
  readonly body?: unknown;
  readonly server?: ServedApi;
}

async function post({ key, path = "/boards", body = { name: "a board" }, server = servers[0] }: Sent) {
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, text, headers: answer.headers, json: text === "" ? undefined : JSON.parse(text) };
}

const countBoards = async (name: string) => {
  const { rows } = await f.pool.query("select 1 from boards where name = $1", [name]);
  return rows.length;
};

describe("a POST with Idempotency-Key", () => {
  test("is executed once and answered the same again, by any server", async () => {
    const key = randomUUID();
    const first = await post({ key, body: { name: "once" } });
    const second = await post({ key, body: { name: "once" }, server: servers[1] });
    expect([second.status, second.text]).toEqual([201, first.text]);
    expect([first.headers.get("idempotency-replayed"), second.headers.get("idempotency-replayed")]).toEqual([
      null,
      "true",
    ]);
    expect(await countBoards("once")).toBe(1);
  });

  test("is executed once by many requests at the same time, through two servers", async () => {
    const key = randomUUID();
    const sent = Array.from({ length: 12 }, (_, i) =>
      post({ key, body: { name: "at once" }, server: servers[i % 2 ? 1 : 0] }),
    );
    const answers = await Promise.all(sent);
    expect(await countBoards("at once")).toBe(1);
    for (const { status, json, headers } of answers) {
      expect([201, 409]).toContain(status);
      if (status === 409) expect([json.code, headers.get("retry-after")]).toEqual(["idempotency_in_progress", "2"]);
    }
    expect((await post({ key, body: { name: "at once" } })).status).toBe(201);
  });

  test("is refused with another body or path", async () => {
    const key = randomUUID();
    await post({ key });
    for (const other of [{ body: { name: "another" } }, { path: "/boards?x=1" }])
      expect(await post({ key, ...other })).toMatchObject({ status: 422, json: { code: "idempotency_key_reused" } });
  });

  test("may be repeated after an error that changed nothing", async () => {
    const key = randomUUID();
    const body = { title: "a task", description: "do it", agent_type: "none" };
    const refused = await post({ key, path: `/boards/${randomUUID()}/tasks`, body });
    expect(refused.status).toBe(404);
    const rows = await f.db
      .select()
      .from(schema.idempotency_keys)
      .where(sql`key = ${key}`);
    expect(rows).toEqual([]);
  });

  test.each(["", "a b", "x".repeat(256)])("refuses the key '%s'", async (key) => {
    expect(await post({ key })).toMatchObject({ status: 400, json: { code: "idempotency_key_invalid" } });
  });

  test("stores no secret, and is refused where nothing could be stored", async () => {
    const key = randomUUID();
    const created = await post({ key, path: "/tokens", body: { name: "program" } });
    expect(created.status).toBe(201);
    const again = await post({ key, path: "/tokens", body: { name: "program" } });
    expect(again).toMatchObject({ status: 409, json: { code: "idempotency_answer_missing" } });
    const stored = JSON.stringify(await f.db.select().from(schema.idempotency_keys));
    expect(stored).not.toContain(created.json.token);
    const login = await post({ key: randomUUID(), path: "/auth/login", body: { email: "a@b.example", password: "x" } });
    expect(login).toMatchObject({ status: 400, json: { code: "idempotency_unsupported" } });
  });
});

describe("after the end of a server", () => {
  const body = { title: "a task", description: "do it" };
  const getPath = () => `/boards/${f.owner.default_board_id}/tasks`;
  const change = (key: string, set: string) => f.pool.query(`update idempotency_keys set ${set} where key = $1`, [key]);

  test("that had committed, the answer is the one that was committed", async () => {
    class EndingKeys extends IdempotencyKeys {
      override complete(): Promise<void> {
        return Promise.reject(new Error("the server ended"));
      }
    }
    await using ending = await serveApi(f, { idempotencyKeys: new EndingKeys(f.db) });
    const key = randomUUID();
    expect((await post({ key, path: getPath(), body, server: ending })).status).toBe(500);
    const again = await post({ key, path: getPath(), body });
    expect(again).toMatchObject({ status: 201, json: { title: "a task" } });
    expect((await post({ key, path: getPath(), body })).text).toBe(again.text);
    const { rows } = await f.pool.query("select id from tasks");
    expect(rows).toEqual([{ id: again.json.id }]);
  });

  test("that had committed something else, the request is not executed again", async () => {
    const key = randomUUID();
    await post({ key, path: getPath(), body });
    await change(key, "status = null, body = null, locked_until = now() - interval '1 s'");
    expect(await post({ key, path: getPath(), body })).toMatchObject({
      status: 409,
      json: { code: "idempotency_answer_missing" },
    });
  });

  test("that had committed nothing, the request is executed, and the other execution cannot commit", async () => {
    const key = randomUUID();
    const path = getPath();
    await post({ key, path, body });
    const { rows } = await f.pool.query("select user_id, attempt from idempotency_keys where key = $1", [key]);
    await change(key, "status = null, body = null, executed = false, locked_until = now() - interval '1 s'");
    expect((await post({ key, path, body })).status).toBe(201);
    const late = { userId: rows[0].user_id, key, attempt: rows[0].attempt };
    const keys = new IdempotencyKeys(f.db);
    await expect(f.db.transaction((tx) => keys.markExecuted(tx, late, undefined))).rejects.toMatchObject({
      code: "idempotency_in_progress",
    });
  });

  test("a key is forgotten after a day", async () => {
    const key = randomUUID();
    const first = await post({ key });
    await change(key, "expires_at = now() - interval '1 s'");
    expect((await post({ key })).text).not.toBe(first.text);
    await change(key, "expires_at = now() - interval '1 s'");
    expect(await new IdempotencyKeys(f.db).prune(100)).toBe(1);
  });
});

test("a stored answer is not for a person who no longer sees the board", async () => {
  const { id } = (await post({ key: randomUUID(), body: { name: "withdrawn" } })).json;
  const request = { key: randomUUID(), path: `/boards/${id}/tasks`, body: { title: "a task", description: "do it" } };
  expect((await post(request)).status).toBe(201);
  await f.pool.query("update boards set deleted_at = now() where id = $1", [id]);
  expect(await post(request)).toMatchObject({ status: 404, json: { code: "board_not_found" } });
});
