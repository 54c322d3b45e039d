import { randomUUID } from "node:crypto";
import { and, eq } from "drizzle-orm";
import { expect, test } from "vitest";
import { testDatabase } from "../../test/database.ts";
import { buildOnce } from "./built-statements.ts";
import { openDatabase } from "./database.ts";
import { organizations } from "./schema/index.ts";

test("a statement is built once for each variant, and finds what each execution asks for", async () => {
  await using database = await testDatabase();
  const { db, close } = openDatabase({ ...database.connection, max: 1 }, () => undefined);
  await using _closing = { [Symbol.asyncDispose]: close };
  const rows = ["red", "green", "blue"].map((slug) => ({ id: randomUUID(), name: slug, slug }));
  await db.insert(organizations).values(rows);
  const built: string[] = [];
  const find = buildOnce(["key", "name"], (executor, { key, name }, column: "id" | "slug") => {
    built.push(column);
    return executor
      .select({ slug: organizations.slug })
      .from(organizations)
      .where(and(eq(organizations[column], key), eq(organizations.name, name)));
  });
  const findAll = async () => {
    for (const { id, slug, name } of rows) {
      expect(await find(db, { key: id, name }, "id")).toEqual([{ slug }]);
      expect(await find(db, { key: slug, name }, "slug")).toEqual([{ slug }]);
      expect(await find(db, { key: slug, name: "another" }, "slug")).toEqual([]);
    }
  };
  // The connection gives the statements names on the way.
  for (let n = 0; n < 10; n++) await findAll();
  expect(built).toEqual(["id", "slug"]);
});

test("a transaction builds a statement for itself, and sees its own rows with it", async () => {
  await using database = await testDatabase();
  const { db, close } = openDatabase({ ...database.connection, max: 2 }, () => undefined);
  await using _closing = { [Symbol.asyncDispose]: close };
  const find = buildOnce(["slug"], (executor, { slug }) =>
    executor.select({ slug: organizations.slug }).from(organizations).where(eq(organizations.slug, slug)),
  );
  expect(await find(db, { slug: "new" })).toEqual([]);
  await db.transaction(async (tx) => {
    await tx.insert(organizations).values({ id: randomUUID(), name: "new", slug: "new" });
    expect(await find(tx, { slug: "new" })).toEqual([{ slug: "new" }]);
  });
});
