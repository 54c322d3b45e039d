import { randomUUID } from "node:crypto";
import { api, type EventData, getEndpointUrl, runnerApi, type ServerEndpoint } from "@wharf/contract";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Client } from "../../../cli/src/server/client.ts";
import { type ServedApi, serveApi, token } from "../../test/api.ts";
import { type Fixture, fixture } from "../../test/fixture.ts";
import { createPerson, type TestPerson } from "../../test/logins.ts";
import { addWaitingRuns } from "../../test/people.ts";
import { AllowLists } from "../allow-lists/index.ts";
import { Orphans, StandaloneRunners } from "../runners/index.ts";
import { RunLimits } from "../runs/index.ts";
import { schema } from "../store/index.ts";
import { SearchIndexing } from "../tasks/index.ts";
import { Budgets } from "../usage/index.ts";

/** Every list of the contract that has pages, read over HTTP as a program reads it. */
const lists = Object.entries<ServerEndpoint>({ ...api, ...runnerApi }).filter(
  ([, { response }]) => response instanceof z.ZodObject && Object.hasOwn(response.shape, "next_cursor"),
);

interface RowSource {
  /** The values of the path's parameters. */
  readonly params?: () => Record<string, string>;
  readonly query?: Record<string, string>;
  /** Adds a row to the list. */
  readonly add: (name: string) => Promise<unknown>;
}

const place = "here";
const silent = pino({ level: "silent" });
const ignore = () => undefined;

let f: Fixture;
let served: ServedApi;
let client: Client;
let member: TestPerson;
let task_id: string;
let agent_id: string;
/** A task with many runs: the log of a run ends where the next one begins. */
let rerunTaskId: string;

beforeAll(async () => {
  f = await fixture();
  const { db, log } = f;
  // Their lists need nothing but the database.
  const orphans = new Orphans({ db, place } as ConstructorParameters<typeof Orphans>[0]);
  const standaloneRunners = new StandaloneRunners({ db } as ConstructorParameters<typeof StandaloneRunners>[0]);
  const settingEntries = ["npm", "pypi", "crates"].map((entry) => ({ entry, allowsPrivate: false }));
  served = await serveApi(f, {
    orphans,
    standaloneRunners,
    allowLists: new AllowLists(db, log, settingEntries),
    budgets: new Budgets(db, undefined),
    budgetWaits: { step: async () => false },
    runLimits: new RunLimits(db, { defaults: {}, onChange: ignore }),
  });
  client = new Client(async () => ({ url: served.url, token }));
  member = await createPerson(f);
  agent_id = await addRun();
  rerunTaskId = (await f.newTask()).id;
  task_id = (await f.pool.query("select task_id from runs where id = $1", [agent_id])).rows[0].task_id;
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await f?.[Symbol.asyncDispose]();
});

async function addRun(): Promise<string> {
  const [id] = await addWaitingRuns(f, { ...f.owner, ...ofBoard(), username: "owner" });
  return id!;
}

const addEvent = (data: EventData) => f.log.write(({ append }) => append(task_id, [{ data, run_id: agent_id }]));
const addBoard = (name: string) => client.call(api.createBoard, { body: { name } });
const addIdentity = (user_id: string, subject: string) =>
  f.db.insert(schema.identities).values({ id: randomUUID(), user_id, issuer: "https://id", subject, email: "x@y.z" });
const addPasskey = (user_id: string, name: string) =>
  f.db.insert(schema.passkeys).values({
    id: randomUUID(),
    user_id,
    name,
    credential_id: randomUUID(),
    public_key: "",
    domain: "localhost",
    is_synced: false,
  });

async function addSearchedTask(name: string): Promise<void> {
  await f.newTask({ title: `zeppelin ${name}` });
  const indexing = new SearchIndexing({ db: f.db, log: f.log, redact: (text) => text }, silent);
  for (let hasMore = true; hasMore;) hasMore = await indexing.step();
}

async function logIn(): Promise<void> {
  const { path } = await client.call(api.createOwnLink, { body: { kind: "login" } });
  await client.call(api.useLoginLink, { body: { token: path.split("/").at(-1) ?? "" } });
}

const ofTask = () => ({ task_id });
const ofBoard = () => ({ board_id: f.owner.default_board_id });
const ofMember = () => ({ user: member.username });

const sources: Readonly<Record<string, RowSource>> = {
  agentLogs: { params: () => ({ agent_id }), add: (text) => addEvent({ kind: "message", role: "agent", text }) },
  listAccessTokens: { add: (name) => client.call(api.createAccessToken, { body: { name } }) },
  listAgentTypes: { add: (name) => client.call(api.createAgentType, { body: { name, command: ["demo"] } }) },
  listAgents: { add: addRun },
  listAllowedHosts: { add: (name) => client.call(api.allowHost, { body: { entry: `${name}.example` } }) },
  listAuditEntries: {
    query: { action: "createTask" },
    add: (id) => f.audit.record({ actor: { kind: "user", id }, action: "createTask", result: "ok" }),
  },
  listBoardMembers: {
    params: ofBoard,
    add: async (name) => {
      await createPerson(f, { name });
      await client.call(api.shareBoard, { params: { ...ofBoard(), user: name }, body: { role: "viewer" } });
    },
  },
  listBoardTasks: { params: ofBoard, add: addRun },
  listBoards: { add: addBoard },
  listBudgets: {
    add: async (name) => {
      const { id } = await addBoard(name);
      await client.call(api.setBudget, { body: { board_id: id, amount_usd: 1 } });
    },
  },
  listComments: { params: ofTask, add: (text) => client.call(api.createComment, { params: ofTask(), body: { text } }) },
  listDeniedHosts: {
    add: (entry) => f.db.insert(schema.denied_hosts).values({ task_id, entry, reason: "no list has it" }),
  },
  listIdentities: { add: (name) => addIdentity(f.owner.user_id, name) },
  listInvitations: { add: (name) => client.call(api.createInvitation, { body: { email: `${name}@example.com` } }) },
  listMembers: { add: (name) => createPerson(f, { name }) },
  listOrphans: { add: (runner_id) => f.db.insert(schema.orphans).values({ place, runner_id }) },
  listPasskeys: { add: (name) => addPasskey(f.owner.user_id, name) },
  listRunLimits: {
    add: async (name) => {
      const { id } = await addBoard(name);
      await client.call(api.setRunLimit, { body: { board_id: id, max_runs: 1 } });
    },
  },
  listRunners: {
    add: () => f.db.insert(schema.runners).values({ id: randomUUID(), backend: "mock", tier: "small", ...ofBoard() }),
  },
  listSessions: { add: logIn },
  listTaskAgents: {
    params: () => ({ task_id: rerunTaskId }),
    add: () =>
      f.db
        .insert(schema.runs)
        .values({ id: randomUUID(), task_id: rerunTaskId, ...ofBoard(), agent_type: "demo", status: "COMPLETED" }),
  },
  listTaskTurns: {
    params: ofTask,
    add: (prompt) =>
      f.db
        .insert(schema.turns)
        .values({ id: randomUUID(), task_id, run_id: agent_id, state: "ENDED", prompt, prompt_seq: 1 }),
  },
  listTasks: { add: addRun },
  listTemplates: {
    add: (name) => client.call(api.setTemplate, { body: { name, fields: { description: "do it" } } }),
  },
  listUserIdentities: { params: ofMember, add: (name) => addIdentity(member.id, `member ${name}`) },
  listUserPasskeys: { params: ofMember, add: (name) => addPasskey(member.id, name) },
  orchestratorQueue: { add: addRun },
  search: { query: { text: "zeppelin" }, add: addSearchedTask },
  taskLogs: { params: ofTask, add: (text) => addEvent({ kind: "message", role: "agent", text }) },
};

const Row = z.record(z.string(), z.unknown());

/** What a row is about, without what changes meanwhile. */
const keyFields = ["id", "seq", "sequence", "runner_id", "kind", "task_id", "comment_id", "entry"];
const getKey = (row: z.output<typeof Row>) =>
  keyFields.flatMap((name) => (row[name] === undefined ? [] : [`${name}=${JSON.stringify(row[name])}`])).join(" ");

async function send(endpoint: ServerEndpoint, { params, query }: RowSource, page: object): Promise<Response> {
  const path = getEndpointUrl(endpoint, { params: params?.() ?? {}, query: { ...query, ...page } });
  return fetch(served.url + path, { headers: { authorization: `Bearer ${token}` } });
}

async function readPage(endpoint: ServerEndpoint, source: RowSource, page: object) {
  const answer = await send(endpoint, source, page);
  const body = Row.parse(await answer.json());
  expect(answer.status, JSON.stringify(body)).toBe(200);
  const { next_cursor } = z.object({ next_cursor: z.string().optional() }).parse(body);
  return {
    keys: z
      .array(Row)
      .parse(body[endpoint.items ?? ""])
      .map(getKey),
    next_cursor,
  };
}

/** Reads all pages of two rows. */
async function readPages(
  endpoint: ServerEndpoint,
  source: RowSource,
  { query = {}, onPage = async () => undefined }: { query?: object; onPage?: () => Promise<unknown> } = {},
): Promise<string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await readPage(endpoint, source, { ...query, limit: 2, ...(cursor !== undefined && { cursor }) });
    expect(page.keys.length).toBeLessThanOrEqual(2);
    keys.push(...page.keys);
    await onPage();
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return keys;
}

const getSorts = ({ query }: ServerEndpoint): readonly string[] =>
  query?.shape["sort"] instanceof z.ZodDefault && query.shape["sort"].def.innerType instanceof z.ZodEnum
    ? query.shape["sort"].def.innerType.options.map(String)
    : [];

const getMaxLimit = ({ query }: ServerEndpoint) => (query?.shape["limit"]?.safeParse(1_000).success ? 1_000 : 100);
const getUsualSort = ({ query }: ServerEndpoint) => query?.parse({})["sort"];

test("every list in pages is read here", () => {
  expect(Object.keys(sources).toSorted()).toEqual(lists.map(([name]) => name).toSorted());
});

describe.each(lists)("%s", (name, endpoint) => {
  const source = sources[name]!;
  let count = 0;
  const add = () => source.add(`${name.toLowerCase()}-${count++}`);

  test("has each row once, in the same order, while others are added", async () => {
    for (let n = 0; n < 5; n++) await add();
    const before = (await readPage(endpoint, source, { limit: getMaxLimit(endpoint) })).keys;
    expect(before.length).toBeGreaterThanOrEqual(5);
    expect(new Set(before).size).toBe(before.length);
    const seen = await readPages(endpoint, source, { onPage: add });
    expect(new Set(seen).size).toBe(seen.length);
    const earlier = new Set(before);
    expect(seen.filter((key) => earlier.has(key))).toEqual(before);
    if (endpoint.query?.shape["offset"] === undefined) return;
    const all = (await readPage(endpoint, source, { limit: getMaxLimit(endpoint) })).keys;
    expect((await readPage(endpoint, source, { limit: 2, offset: 3 })).keys).toEqual(all.slice(3, 5));
  });

  test("refuses a cursor of another list", async () => {
    for (const keys of [["x"], ["yesterday", "not an id"], [1], {}]) {
      const cursor = Buffer.from(JSON.stringify(keys)).toString("base64url");
      expect((await send(endpoint, source, { cursor, limit: 2 })).status, cursor).toBe(400);
    }
  });
});

describe.each(lists.filter(([, endpoint]) => getSorts(endpoint).length > 0))("%s in each order", (name, endpoint) => {
  const source = sources[name]!;

  test("has the same rows in pages", async () => {
    const orders = new Map<string, string[]>();
    const { next_cursor: cursor } = await readPage(endpoint, source, { limit: 2 });
    for (const sort of getSorts(endpoint)) {
      const { keys } = await readPage(endpoint, source, { limit: getMaxLimit(endpoint), sort });
      expect(await readPages(endpoint, source, { query: { sort } }), sort).toEqual(keys);
      orders.set(sort, keys);
      const refused = await send(endpoint, source, { sort, cursor, limit: 2 });
      expect(refused.status, sort).toBe(sort === getUsualSort(endpoint) ? 200 : 400);
    }
    for (const [sort, keys] of orders)
      if (!sort.includes("priority")) expect(orders.get(`-${sort}`) ?? keys.toReversed()).toEqual(keys.toReversed());
  });
});
