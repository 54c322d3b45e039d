import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { WharfError } from "../errors/index.ts";
import { blockBytes, packHeader, createPadding, readTar, type TarEntry } from "./index.ts";

const fuzzCases = Number(process.env["FUZZ_CASES"] ?? 2_000);

/** Yields the bytes in pieces of `size`, as a network might deliver them. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function contentsOf(bytes: Buffer, size = 10_000) {
  const items: { entry: TarEntry; content: string }[] = [];
  for await (const { entry, content } of readTar(inPieces(bytes, size)))
    items.push({ entry, content: Buffer.concat(await Array.fromAsync(content)).toString("latin1") });
  return items;
}

const text = (most: number) =>
  fc
    .array(fc.constantFrom("a", "é", "😀", " ", ".", "x/y"), { minLength: 1, maxLength: most })
    .map((pieces) => pieces.join(""));
const item = fc.record({
  path: text(120),
  type: fc.constantFrom("file" as const, "symlink" as const, "directory" as const, "hardlink" as const),
  mode: fc.integer({ min: 0, max: 0o777 }),
  mtime: fc.integer({ min: 0, max: 4_000_000_000 }),
  target: text(120),
  bytes: fc.uint8Array({ maxLength: 1_200 }),
});
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

const contentOf = ({ type, bytes }: Item): Buffer => Buffer.from(type === "file" ? bytes : []);

function pack(items: readonly Item[]): Buffer {
  const blocks = items.flatMap((item) => {
    const content = contentOf(item);
    const { path, type, mode, mtime, target } = item;
    return [
      packHeader({ path, type, mode, mtime, target, size: content.length }),
      content,
      createPadding(content.length),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

test("a packed archive is read back, however it is split", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(item, { maxLength: 5 }), fc.integer({ min: 1, max: 3_000 }), async (items, size) => {
      const read = await contentsOf(pack(items), size);
      expect(read.map(({ entry }) => entry)).toEqual(
        items.map((item) => {
          const { path, type, mode, mtime, target } = item;
          const shown = type === "directory" ? `${path}/` : path;
          return { path: shown, type, mode, mtime, target, size: contentOf(item).length };
        }),
      );
      expect(read.map(({ content }) => content)).toEqual(items.map((item) => contentOf(item).toString("latin1")));
    }),
    { numRuns: Math.min(fuzzCases, 20_000) / 5 },
  );
}, 3_600_000);

test("GNU tar reads the same: long names, many bytes, links", async () => {
  const long = `${"deep/".repeat(40)}${"ä".repeat(60)}`;
  const archive = pack([
    { path: "plain", type: "file", mode: 0o640, mtime: 1_700_000_000, target: "", bytes: new Uint8Array(513).fill(65) },
    { path: long, type: "file", mode: 0o600, mtime: 0, target: "", bytes: new Uint8Array(3).fill(66) },
    { path: "link", type: "symlink", mode: 0o777, mtime: 0, target: long, bytes: new Uint8Array() },
  ]);
  const listed = spawnSync("tar", ["-tvf", "-", "--quoting-style=literal"], { input: archive, encoding: "utf8" });
  expect(listed.stderr).toBe("");
  expect(listed.stdout).toMatch(/^-rw-r----- 0\/0 +513 2023-11-14 .* plain$/m);
  expect(listed.stdout).toContain(` ${long}\n`);
  expect(listed.stdout).toContain(`link -> ${long}`);
});

test("an invalid archive, or one damaged anywhere, is a bad request and never a crash", async () => {
  const good = fc.array(item, { minLength: 1, maxLength: 4 }).map(pack);
  const spoiled = fc
    .tuple(good, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(), fc.boolean())
    .map(([bytes, changes, cut, repaired]) => {
      const copy = Buffer.from(bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % bytes.length : 0)));
      for (const [at, value] of changes) copy[at % copy.length] = value;
      if (repaired)
        for (let at = 0; at + blockBytes <= copy.length; at += blockBytes) repair(copy.subarray(at, at + blockBytes));
      return copy;
    });
  const any = fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(fc.oneof(spoiled, any), fc.integer({ min: 1, max: 2_000 }), async (bytes, size) => {
      try {
        for (const { entry, content } of await contentsOf(bytes, size)) expect(content.length).toBe(entry.size);
      } catch (error) {
        expect(error).toBeInstanceOf(WharfError);
        expect(error).toMatchObject({ code: "bad_request" });
      }
    }),
    { numRuns: fuzzCases },
  );
}, 3_600_000);

/** Writes a correct checksum into a block, so that the reader examines the block's other errors. */
function repair(block: Buffer): void {
  if (block.every((byte) => byte === 0)) return;
  block.write("        ", 148, "latin1");
  const sum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}

test("sizes beyond the stream's end, negative sizes and huge ones neither block the reader nor use memory", async () => {
  const header = (size: Buffer | string): Buffer => {
    const block = packHeader({ path: "f", type: "file", size: 0, mode: 0o644, mtime: 0, target: "" });
    block.fill(0, 124, 136);
    if (typeof size === "string") block.write(size, 124);
    else size.copy(block, 124);
    repair(block);
    return block;
  };
  const refused = [
    header("77777777777"),
    header(Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    header("12x"),
  ];
  for (const block of refused) await expect(contentsOf(block)).rejects.toMatchObject({ code: "bad_request" });
  expect(await contentsOf(Buffer.concat([header(Buffer.alloc(12, 0xff)), Buffer.alloc(1024)]))).toHaveLength(1);
});
