import { once } from "node:events";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Scratch } from "../testing.ts";
import { GrowthWatch } from "./folder-size.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
  await mkdir(join(scratch.path, "objects", "pack"), { recursive: true });
  await writeFile(join(scratch.path, "objects", "pack", "pack-old.pack"), Buffer.alloc(5_000));
});
afterEach(() => scratch[Symbol.asyncDispose]());

test("a new pack that exceeds the limit is detected while it is written, and existing files do not count", async () => {
  using watch = await GrowthWatch.start(scratch.path, 1_000);
  const aborted = once(watch.signal, "abort");
  const pack = join(scratch.path, "objects", "pack", "tmp_pack_new");
  await writeFile(pack, Buffer.alloc(1_000));
  expect(await watch.check()).toBe(false);
  await appendFile(pack, "x");
  await aborted;
  expect(watch.exceeded).toBe(true);
});

test("growth anywhere else is detected when the whole folder is counted", async () => {
  using watch = await GrowthWatch.start(scratch.path, 1_000);
  await mkdir(join(scratch.path, "objects", "ab"));
  await writeFile(join(scratch.path, "objects", "ab", "loose"), Buffer.alloc(1_001));
  expect(await watch.check()).toBe(true);
});
