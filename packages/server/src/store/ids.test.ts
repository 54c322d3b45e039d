import { drizzle } from "drizzle-orm/node-postgres";
import { describe, expect, test } from "vitest";
import { createIdCondition } from "./ids.ts";
import * as schema from "./schema/index.ts";

const { tasks } = schema;
const parametersFor = (text: string): unknown[] | undefined => {
  const condition = createIdCondition(tasks.id, text);
  const query = drizzle.mock({ casing: "snake_case" }).select().from(tasks).where(condition).toSQL();
  return condition && query.params;
};

describe("a shortened id", () => {
  test("is one value of the key if it is complete, in upper or lower case", () => {
    const id = "0a1b2c3d-4e5f-4a6b-8c7d-0123456789ab";
    expect(parametersFor(id)).toEqual([id]);
    expect(parametersFor(id.toUpperCase())).toEqual([id]);
  });

  test("is a range of the key if it is a beginning", () => {
    expect(parametersFor("0a1b2c3d")).toEqual([
      "0a1b2c3d-0000-0000-0000-000000000000",
      "0a1b2c3d-ffff-ffff-ffff-ffffffffffff",
    ]);
    expect(parametersFor("0a1b2c3d-4e5")).toEqual([
      "0a1b2c3d-4e50-0000-0000-000000000000",
      "0a1b2c3d-4e5f-ffff-ffff-ffffffffffff",
    ]);
  });

  test.each([
    "%%%%%%%%",
    "%_%_%_%_",
    "0a1b2c3%",
    "0a1b2c3_",
    "\\\\\\\\\\\\\\\\",
    "0a1b2c3\0",
    "0a1b2c3",
    "0a1b-2c3d",
    "0a1b2c3d4e5f",
    "0a1b2c3d-4e5f-4a6b-8c7d-0123456789ab0",
    "",
  ])("matches nothing when it is %j", (text) => {
    expect(parametersFor(text)).toBeUndefined();
  });
});
