import { api } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../../cli/src/server/client.ts";
import { iterateRows, readAllRows, readList } from "../../../cli/src/server/lists.ts";
import { findBoard, getTaskBoardId } from "../../../cli/src/tasks/find-board.ts";
import { type ServedApi, serveApi, token } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";

/** More boards than the largest page has rows. */
const boardCount = 1_100;

let f: Fixture;
let served: ServedApi;
let client: Client;

beforeAll(async () => {
  f = await fixture();
  served = await serveApi(f);
  client = new Client(async () => ({ url: served.url, token }));
  await f.pool.query(
    `insert into boards (id, organization_id, owner_id, name, created_at)
     select gen_random_uuid(), $1, $2, 'board ' || n, now() + make_interval(secs => n) from generate_series(2, $3::int) n`,
    [f.owner.organization_id, f.owner.user_id, boardCount],
  );
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await f?.[Symbol.asyncDispose]();
});

test("the command line finds a board behind the first page, by its name or its id", async () => {
  const last = await findBoard(client, `board ${boardCount}`);
  expect(await findBoard(client, last.id.slice(0, 13))).toEqual(last);
  expect(await getTaskBoardId(client, undefined)).toBe(f.owner.default_board_id);
});

test("the command line reads a page of a list, or all of it in the order that was asked for", async () => {
  const first = await readList(client, api.listBoards, {}, { limit: 3, all: false });
  expect(first.boards).toHaveLength(3);
  expect(first.next_cursor).toBeDefined();
  const query = { sort: "-created_at" } as const;
  const { boards, next_cursor } = await readList(client, api.listBoards, { query }, { limit: 3, all: true });
  expect(next_cursor).toBeUndefined();
  expect(boards.map(({ name }) => name).slice(0, -1)).toEqual(
    Array.from({ length: boardCount - 1 }, (_, n) => `board ${boardCount - n}`),
  );
  expect((await readAllRows(client, api.listBoards, {})).map(({ id }) => id)).toEqual(
    boards.map(({ id }) => id).toReversed(),
  );
});

test("the command line reads no further page than it needs", async () => {
  let requests = 0;
  const counted = new Client(async () => {
    requests++;
    return { url: served.url, token };
  });
  for await (const { id } of iterateRows(counted, api.listBoards, {})) if (id === f.owner.default_board_id) break;
  expect(requests).toBe(1);
});
