import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fixture, fixture } from "../../../../test/fixture.ts";
import { schema } from "../../../store/index.ts";
import { getAuthor, getCoAuthor } from "./authorship.ts";

let setting: Fixture;
beforeAll(async () => {
  setting = await fixture();
});
afterAll(() => setting[Symbol.asyncDispose]());

const serverAuthor = { name: "Ada", email: "ada@example.org" };
const get = (userId: string | null, author?: typeof serverAuthor) =>
  getAuthor({ db: setting.db, getServerAuthor: async () => author }, userId);

async function createUser(username: string, email: string): Promise<string> {
  const id = randomUUID();
  await setting.db.insert(schema.users).values({ id, username, email });
  return id;
}

// S-058
test("a person's commits have the name and the address of the account", async () => {
  const id = await createUser("grace", "grace@example.org");
  expect(await get(id, serverAuthor)).toEqual({ author_name: "grace", author_email: "grace@example.org" });
});

test("the owner of a laptop, and a deleted user, have the server's author, or else Wharf's", async () => {
  for (const id of [setting.owner.user_id, randomUUID(), null]) {
    expect(await get(id, serverAuthor)).toEqual({ author_name: "Ada", author_email: "ada@example.org" });
    expect(await get(id)).toEqual({ author_name: "Wharf", author_email: "wharf@localhost" });
  }
});

test("nothing in an account ends the author in a commit's header", async () => {
  const id = await createUser("eve <root@example.org>\ncommitter x", "eve@example.org");
  expect(await get(id)).toEqual({
    author_name: "eve root@example.org committer x",
    author_email: "eve@example.org",
  });
  const odd = await createUser("mallory", "a@b>\nx");
  expect(await get(odd)).toEqual({ author_name: "Wharf", author_email: "wharf@localhost" });
  expect(getCoAuthor("claude")).toEqual({ name: "claude (Wharf)", email: "wharf@localhost" });
});
