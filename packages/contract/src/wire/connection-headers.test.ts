import { expect, test } from "vitest";
import { getConnectionHeaders } from "./connection-headers.ts";

test("the headers of a connection are the known ones and those that the message names", () => {
  expect(getConnectionHeaders().has("transfer-encoding")).toBe(true);
  const names = getConnectionHeaders("Close, X-Hop,x-other");
  expect(["keep-alive", "x-hop", "x-other", "content-type"].map((name) => names.has(name))).toEqual([
    true,
    true,
    true,
    false,
  ]);
});
