import { expect, test } from "vitest";
import { MirrorUse } from "./mirror-use.ts";

test("writers share a mirror, and a claim is exclusive", async () => {
  const use = new MirrorUse();
  const writers = [await use.share("a"), await use.share("a")];
  expect(use.claim("a")).toBeUndefined();
  writers[0]?.[Symbol.dispose]();
  writers[0]?.[Symbol.dispose]();
  expect(use.claim("a")).toBeUndefined();
  writers[1]?.[Symbol.dispose]();

  const claim = use.claim("a");
  expect([claim, use.claim("a")]).toEqual([expect.anything(), undefined]);
  const other = await use.share("b");
  const leaving = new AbortController();
  const left = use.share("a", leaving.signal);
  let entered = false;
  const next = use.share("a").then((share) => {
    entered = true;
    return share;
  });
  leaving.abort(new Error("enough"));
  await expect(left).rejects.toThrow("enough");
  expect(entered).toBe(false);
  claim?.[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  other[Symbol.dispose]();
  expect(use.claim("a")).toBeDefined();
});
