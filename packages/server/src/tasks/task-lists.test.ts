import type { TaskSort, TaskState } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServedApi, serveApi, token } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";

let f: Fixture;
let served: ServedApi;
beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  // Several tasks have the same time, priority and change.
  await f.pool.query(
    `insert into tasks (id, board_id, title, description, shadow_branch, state, priority, agent_type, repository_url, created_at, updated_at)
     select gen_random_uuid(), $1, 'Task ' || i, 'do it', '', (array['TODO', 'REVIEW', 'FAILED'])[1 + i % 3], i % 4,
       (array['demo', 'claude'])[1 + i % 2], '/srv/' || i % 5, timestamptz '2026-01-01' + make_interval(days => i / 3),
       timestamptz '2026-02-01' + make_interval(days => i % 7)
     from generate_series(0, 59) i`,
    [f.owner.default_board_id],
  );
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await f[Symbol.asyncDispose]();
});

interface ListedTask {
  readonly id: string;
  readonly title: string;
  readonly state: TaskState;
  readonly priority: number;
  readonly agent_type: string;
  readonly created_at: string;
  readonly updated_at: string;
}
interface Answer {
  readonly status: number;
  readonly body: { readonly tasks: ListedTask[]; readonly next_cursor?: string; readonly detail: string };
}

async function list(query: string): Promise<Answer> {
  const answer = await fetch(`${served.url}/api/v1/tasks?${query}`, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: (await answer.json()) as Answer["body"] };
}

async function readAll(query: string): Promise<ListedTask[]> {
  const tasks: ListedTask[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const { body } = await list(`${query}${cursor && `&cursor=${cursor}`}`);
    tasks.push(...body.tasks);
    cursor = body.next_cursor;
  }
  return tasks;
}

describe("the order of a list of tasks", () => {
  const getKey = (task: ListedTask, column: string): number =>
    column === "priority" ? task.priority : Date.parse(column === "created_at" ? task.created_at : task.updated_at);
  /** Compares two tasks as the order says; 0 if the order leaves it open. */
  const compare = (sort: string, a: ListedTask, b: ListedTask): number => {
    for (const part of sort.split(",")) {
      const column = part.replace("-", "");
      const difference = getKey(a, column) - getKey(b, column);
      if (difference !== 0) return part.startsWith("-") ? -difference : difference;
    }
    return 0;
  };

  test.each<TaskSort>([
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "priority",
    "-priority",
    "-priority,created_at",
    "-priority,-created_at",
    "priority,created_at",
    "priority,-created_at",
  ])("%s has every task once, for any size of the page", async (sort) => {
    for (const limit of [7, 1000]) {
      const tasks = await readAll(`sort=${sort}&limit=${limit}`);
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(60);
      for (const [i, task] of tasks.slice(1).entries()) expect(compare(sort, tasks[i]!, task)).toBeLessThanOrEqual(0);
    }
  });

  test("is kept by its cursor, which no other order accepts", async () => {
    const { body } = await list("sort=-priority,created_at&limit=5");
    for (const sort of ["-priority", "updated_at", "-created_at"]) {
      const { status, body: problem } = await list(`sort=${sort}&cursor=${body.next_cursor}`);
      expect([status, problem.detail]).toEqual([400, expect.stringContaining("cursor")]);
    }
    expect((await list("cursor=bm90aGluZw")).status).toBe(400);
    expect((await list("sort=title")).status).toBe(400);
    expect((await list("limit=1001")).status).toBe(400);
  });
});

describe("the filters of a list of tasks", () => {
  test.each([
    ["state=TODO", 20],
    ["state=TODO&state=FAILED", 40],
    ["state=TODO&state=TODO", 20],
    ["state=TODO&state=FAILED&sort=-priority", 40],
    ["agent_type=claude", 30],
    ["repository=/srv/3", 12],
    ["text=TASK%205", 11],
    ["text=%25", 0],
    ["text=_", 0],
    ["created_from=2026-01-02T00:00:00Z&created_to=2026-01-03T00:00:00Z", 3],
    ["updated_from=2026-02-07T00:00:00Z", 8],
    ["updated_to=2026-02-02T01:00:00%2B01:00", 9],
    ["state=REVIEW&agent_type=demo&sort=updated_at", 10],
  ])("%s finds %i of 60", async (query, count) => {
    expect(await readAll(`${query}&limit=4`)).toHaveLength(count);
  });

  test("refuse values that they cannot have", async () => {
    for (const query of ["state=LOST", "created_from=soon", "text=", "agent_type=", "offset=10001"])
      expect((await list(query)).status).toBe(400);
  });
});

test("a selection of fields has these fields only", async () => {
  const { body } = await list("fields=id,title&limit=2");
  expect(body.tasks.map((task) => Object.keys(task))).toEqual([
    ["id", "title"],
    ["id", "title"],
  ]);
  expect(body.next_cursor).toBeTypeOf("string");
  const one = await fetch(`${served.url}/api/v1/tasks/${body.tasks[0]?.id}?fields=state`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(one.headers.get("content-type")).toMatch(/^application\/json/);
  expect(Object.keys((await one.json()) as object)).toEqual(["state"]);
  expect((await list("fields=id,secret")).status).toBe(400);
});
