import { rmSync } from "node:fs";
import { type AccessTokenInput, api, type OrganizationRole } from "@wharf/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../packages/cli/src/server/client.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** What access tokens may create, and when they end. */
let folder: string;
let wharf: ServerHarness;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
  await addUser("admin", "admin");
  await addUser("viewer", "member");
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const addUser = (username: string, role: OrganizationRole) =>
  wharf.client.call(api.addMember, { body: { username, role } });

const createToken = (user: string, input: Partial<AccessTokenInput> = {}, client = wharf.client) =>
  client.call(api.createAccessToken, { body: { name: "test", user, ...input } });

const createClient = (token: string) => new Client(async () => ({ ...(await wharf.client.locate()), token }));

test("a token never grants more than the token that creates it", async () => {
  const writer = createClient((await createToken("admin", { permissions: ["token:write", "task:read"] })).token);
  const more = { name: "more", permissions: ["task:write" as const] };
  await expect(writer.call(api.createAccessToken, { body: more })).rejects.toMatchObject({
    code: "permission_missing",
    problem: { status: 403 },
  });
  const same = await writer.call(api.createAccessToken, { body: { name: "same" } });
  expect(same.permissions).toEqual(["token:write", "task:read"]);
});

test("a token never creates one that outlives it", async () => {
  const short = await createToken("admin", { expires_in_days: 7 });
  const client = createClient(short.token);
  const refused = { code: "access_token_outlives_creator", problem: { status: 403 } };
  await expect(createToken("admin", { expires_in_days: 8 }, client)).rejects.toMatchObject(refused);
  await expect(createToken("viewer", { expires_in_days: 8 }, client)).rejects.toMatchObject(refused);
  expect(await createToken("admin", {}, client)).toMatchObject({ expires_at: short.expires_at });
  expect(await createToken("admin", { expires_in_days: 6 }, client)).toMatchObject({ name: "test" });
});

test("a token of an operator is not given by an admin", async () => {
  const admin = createClient((await createToken("admin")).token);
  await expect(createToken("owner", {}, admin)).rejects.toMatchObject({ code: "permission_missing" });
});

//
test("a token ends when its user leaves the organization", async () => {
  await addUser("leaver", "member");
  const client = createClient((await createToken("leaver")).token);
  expect(await client.call(api.whoami, {})).toMatchObject({ user: { username: "leaver" } });
  await wharf.client.call(api.removeMember, { params: { user: "leaver" } });
  await expect(client.call(api.whoami, {})).rejects.toMatchObject({ code: "unauthenticated" });
});
