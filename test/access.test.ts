import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  type AccessTokenInput,
  api,
  type BoardRole,
  type EndpointInput,
  getEndpointUrl,
  hasBoardPermission,
  hasRolePermission,
  type OrganizationRole,
  organizationHeader,
  type Permission,
  Problem,
  type RouteNeed,
  runnerApi,
  type ServerEndpoint,
  sockets,
} from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { bodies, namingFields, otherParams, queries, routes } from "./support/access/requests.ts";
import { expireToken } from "./support/expire-token.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/**
 * Every route and stream as every kind of person: what the contract and the roles promise is what a
 * running server does.
 */
interface Persona {
  readonly name: string;
  /** The token; absent for a request without one. */
  readonly token?: string;
  readonly isValid: boolean;
  readonly role: OrganizationRole;
  readonly is_operator: boolean;
  /** The role on the board; absent for people who do not see it. */
  readonly boardRole?: BoardRole;
  /** Whether the person sees the runner without a task. */
  readonly seesRunner: boolean;
  /** The permissions of a narrow token. */
  readonly permissions?: readonly Permission[];
}

let folder: string;
let wharf: ServerHarness;
let url: string;
let ownerToken: string;
let repository_url: string;
const personas = new Map<string, Persona>();
/** What all requests name. */
const ids = { board_id: "", task_id: "", agent_id: "", runner_id: "" };

const names = [
  "no token",
  "expired token",
  "revoked token",
  "stranger",
  "organization viewer who edits the board",
  "board viewer",
  "board editor",
  "board owner",
  "admin",
  "narrow token of an admin",
  "admin of another organization",
  "owner",
] as const;

type Headers = Record<string, string>;
const toHeaders = (token: string | undefined): Headers =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

interface RequestParts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly body?: unknown;
}

/** Sends a request that must succeed. */
async function call<E extends ServerEndpoint>(
  route: E,
  input: EndpointInput<E>,
  headers: Headers = toHeaders(ownerToken),
): Promise<z.output<Extract<E["response"], z.ZodType>>> {
  const answer = await send(route, input as RequestParts, headers);
  expect([answer.status, answer.text]).toEqual([route.status ?? 200, expect.any(String)]);
  return (route.response as z.ZodType).parse(JSON.parse(answer.text)) as z.output<Extract<E["response"], z.ZodType>>;
}

async function send(
  route: ServerEndpoint,
  { body, ...parts }: RequestParts,
  headers: Headers,
): Promise<{ status: number; text: string }> {
  const isJson = route.body !== undefined;
  const answer = await fetch(`${url}${getEndpointUrl(route, parts)}`, {
    method: route.method,
    headers: { ...headers, ...(isJson && { "content-type": "application/json" }) },
    ...(isJson && { body: JSON.stringify(body ?? {}) }),
    ...(route.bodyType !== undefined && { body: "content" }),
  });
  return { status: answer.status, text: await readText(answer) };
}

/** Reads an answer, or only the beginning of a stream that does not end by itself. */
async function readText(answer: Response): Promise<string> {
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer.text();
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) return chunk;
  return "";
}

async function createToken(user: string, more: Partial<AccessTokenInput> = {}, headers?: Headers) {
  return call(api.createAccessToken, { body: { name: "test", user, ...more } }, headers);
}

async function addUser(username: string, role: OrganizationRole, headers?: Headers): Promise<string> {
  await call(api.addMember, { body: { username, role } }, headers);
  // A token that somebody else creates does not act on the account.
  const { path } = await call(api.createUserLink, { params: { user: username }, body: {} }, headers);
  const login = await call(api.useLoginLink, { body: { token: path.split("/").at(-1) ?? "" } }, {});
  return (await createToken(username, {}, toHeaders(login.access_token))).token;
}

async function createTask(boardId: string): Promise<string> {
  const body = { title: "secret task", description: "demo: say hello", agent_type: "demo", repository_url };
  return (await call(api.createTask, { params: { board_id: boardId }, body })).id;
}

/** Creates a board that is shared like the first one. */
async function createBoard(): Promise<string> {
  const { id } = await call(api.createBoard, { body: { name: "secret board" } });
  for (const [user, role] of [
    ["limited", "editor"],
    ["viewer", "viewer"],
    ["editor", "editor"],
    ["boss", "owner"],
  ] as const)
    await call(api.shareBoard, { params: { board_id: id, user }, body: { role } });
  return id;
}

beforeAll(async () => {
  folder = createScratchFolder();
  repository_url = createRepository(join(folder, "repository"));
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
  ({ url, token: ownerToken = "" } = await wharf.client.locate());

  const stranger = await addUser("stranger", "member");
  const limited = await addUser("limited", "viewer");
  const viewer = await addUser("viewer", "member");
  const editor = await addUser("editor", "member");
  const boss = await addUser("boss", "member");
  const admin = await addUser("admin", "admin");
  const narrow = (await createToken("admin", { permissions: ["task:read"] })).token;
  const expired = await createToken("admin", { expires_in_days: 1 });
  await expireToken(wharf, expired.id, -1);
  const revoked = await createToken("admin");
  await call(api.createOrganization, { body: { name: "Other", slug: "other" } });
  const inOther = { ...toHeaders(ownerToken), [organizationHeader]: "other" };
  const foreign = await addUser("foreign", "admin", inOther);

  ids.board_id = await createBoard();
  ids.task_id = await createTask(ids.board_id);
  const runner = await call(runnerApi.createRunner, { body: { name: "secret runner" } }, toHeaders(editor));
  ids.runner_id = runner.id;
  await send(runnerApi.deleteRunner, { params: ids }, toHeaders(editor));
  const started = await call(api.startTask, { params: ids, body: {} });
  ids.agent_id = started.agent_instance_id;
  await fetch(`${url}/api/v1/tokens/${revoked.id}`, { method: "DELETE", headers: toHeaders(ownerToken) });

  const member = { isValid: true, role: "member", is_operator: false, seesRunner: false } as const;
  const all: Omit<Persona, "name">[] = [
    { ...member, isValid: false },
    { ...member, isValid: false, token: expired.token },
    { ...member, isValid: false, token: revoked.token },
    { ...member, token: stranger },
    { ...member, role: "viewer", token: limited, boardRole: "editor" },
    { ...member, token: viewer, boardRole: "viewer" },
    { ...member, token: editor, boardRole: "editor", seesRunner: true },
    { ...member, token: boss, boardRole: "owner" },
    { ...member, role: "admin", token: admin, boardRole: "owner", seesRunner: true },
    { ...member, role: "admin", token: narrow, boardRole: "owner", seesRunner: true, permissions: ["task:read"] },
    { ...member, role: "admin", token: foreign },
    { ...member, role: "admin", token: ownerToken, is_operator: true, boardRole: "owner", seesRunner: true },
  ];
  for (const [n, name] of names.entries()) personas.set(name, { name, ...all[n]! });
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Outcome = "accepted" | "unauthenticated" | "permission_missing" | (typeof missingCodes)[keyof typeof missingCodes];
const missingCodes = {
  board_id: "board_not_found",
  task_id: "task_not_found",
  agent_id: "run_not_found",
  runner_id: "runner_not_found",
} as const;

/** What the contract and the roles promise. */
function expectOutcome(
  { needs, path }: { readonly needs: RouteNeed; readonly path: string },
  person: Persona,
): Outcome {
  if (needs === "nothing") return "accepted";
  if (!person.isValid) return "unauthenticated";
  if (needs === "token") return "accepted";
  if (!hasRolePermission(person, needs) || person.permissions?.includes(needs) === false) return "permission_missing";
  const named = (Object.keys(missingCodes) as (keyof typeof missingCodes)[]).find((name) => path.includes(`:${name}`));
  if (named === undefined) return "accepted";
  const role = named === "runner_id" ? (person.seesRunner ? "owner" : undefined) : person.boardRole;
  if (role === undefined) return missingCodes[named];
  return hasBoardPermission(role, needs) ? "accepted" : "permission_missing";
}

/** The code of a problem that concerns access; any other answer means that it was accepted. */
function readOutcome(text: string): Outcome {
  const problem = Problem.safeParse(parseJson(text));
  const codes: readonly string[] = ["unauthenticated", "permission_missing", ...Object.values(missingCodes)];
  return problem.success && codes.includes(problem.data.code) ? (problem.data.code as Outcome) : "accepted";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The server ends by it; everybody whom it refuses is tested. */
const skippedWhenAccepted: readonly string[] = ["shutdown"];

// K-091
describe("each route accepts and refuses as the contract says", () => {
  test.each(names)("%s", { timeout: 300_000 }, async (name) => {
    const person = personas.get(name)!;
    const differences: string[] = [];
    for (const [routeName, route] of Object.entries<ServerEndpoint>(routes)) {
      const key = routeName as keyof typeof routes;
      const { [key]: field } = namingFields;
      const path = field === undefined ? route.path : `${route.path}/:${field}`;
      const expected = expectOutcome({ needs: route.needs, path }, person);
      if (expected === "accepted" && skippedWhenAccepted.includes(routeName)) continue;
      const params = { ...otherParams, ...ids };
      // A change that is accepted gets its own board or task.
      if (expected === "accepted" && route.method !== "GET" && /:(?:board|task)_id/.test(path)) {
        params.board_id = await createBoard();
        params.task_id = await createTask(params.board_id);
      }
      const body = field === undefined ? bodies[key] : { ...(bodies[key] as object), [field]: params[field] };
      const answer = await send(route, { params, query: queries[key] ?? {}, body }, toHeaders(person.token));
      const outcome = readOutcome(answer.text);
      if (outcome !== expected)
        differences.push(`${routeName}: ${outcome} instead of ${expected}: ${answer.text.slice(0, 300)}`);
      if (answer.status >= 500) differences.push(`${routeName}: ${answer.text.slice(0, 300)}`);
    }
    expect(differences).toEqual([]);
  });

  test("people who do not see a board find nothing of it in any list", async () => {
    for (const name of ["stranger", "admin of another organization"]) {
      const headers = toHeaders(personas.get(name)!.token);
      for (const [routeName, route] of Object.entries<ServerEndpoint>(routes)) {
        if (route.method !== "GET" || route.path.includes(":")) continue;
        // It contains what these people tried.
        if (route.path.startsWith(api.listAuditEntries.path)) continue;
        const { text } = await send(route, { query: queries[routeName as keyof typeof routes] ?? {} }, headers);
        for (const secret of [...Object.values(ids), "secret"])
          expect([routeName, text.includes(secret)]).toEqual([routeName, false]);
      }
    }
  });

  test("admins find the entries of their organization in the audit log, and of no other one", async () => {
    const readOrganizations = async (name: string) => {
      const { text } = await send(
        api.listAuditEntries,
        { query: { limit: "1000" } },
        toHeaders(personas.get(name)!.token),
      );
      return api.listAuditEntries.response
        .parse(JSON.parse(text))
        .entries.map(({ organization_id }) => organization_id);
    };
    const [own, other] = [await readOrganizations("admin"), await readOrganizations("admin of another organization")];
    expect([new Set(own).size, new Set(other).size]).toEqual([1, 1]);
    expect(own[0]).not.toBe(other[0]);
    expect(await readOrganizations("owner")).toEqual(expect.arrayContaining([own[0], other[0]]));
  });

  test("every route that needs a body has one here", () => {
    for (const [routeName, { body }] of Object.entries<ServerEndpoint>(routes))
      if (body && !body.safeParse(undefined).success && !body.safeParse({}).success)
        expect(Object.keys(bodies)).toContain(routeName);
  });
});

describe("each stream accepts and refuses as the contract says", () => {
  test.each(names)("%s", { timeout: 300_000 }, async (name) => {
    const person = personas.get(name)!;
    for (const [socketName, socket] of Object.entries(sockets)) {
      const path = socket.path
        .replace(":terminal_id", otherParams.terminal_id)
        .replace(/:(\w+)/, (_, param: keyof typeof ids) => ids[param]);
      const outcome = await openSocket(`${url.replace("http", "ws")}${path}`, toHeaders(person.token));
      expect([socketName, outcome]).toEqual([socketName, expectOutcome(socket, person)]);
    }
  });
});

/** Opens a WebSocket and closes it at once. */
function openSocket(address: string, headers: Headers): Promise<Outcome> {
  const socket = new WebSocket(address, { headers });
  return new Promise((resolve, reject) => {
    socket.on("open", () => {
      socket.terminate();
      resolve("accepted");
    });
    socket.on("unexpected-response", (_request, answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve(readOutcome(Buffer.concat(chunks).toString())));
    });
    socket.on("error", reject);
  });
}
