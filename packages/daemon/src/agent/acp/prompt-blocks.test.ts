import { readFile } from "node:fs/promises";
import { AgentPrompt } from "@wharf/contract";
import { expect, test } from "vitest";
import { z } from "zod";
import { Bench } from "../fixtures/bench.ts";

const Blocks = z.array(z.looseObject({ type: z.string(), text: z.string().optional() }));
const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff, 0xfe]);
const image = { name: "shot.png", mime_type: "image/png", data: png.toString("base64") };
const notes = { name: "notes ä.md", mime_type: "text/markdown", data: Buffer.from("# Größe\n").toString("base64") };
const readBlocks = (bench: Bench) => Blocks.parse(JSON.parse(bench.journal.messageText));

test("files go into the prompt of an agent that accepts them there", async () => {
  await using bench = await Bench.open();
  await bench.start("rich");
  const binary = { ...image, name: "a.bin", mime_type: "application/octet-stream" };
  await bench.runTurn("blocks", { attachments: [image, notes, binary] });
  const [first, second, third, last] = readBlocks(bench);
  expect(first).toEqual({ type: "image", mimeType: "image/png", data: image.data });
  expect(second).toEqual({
    type: "resource",
    resource: { uri: "attachment:///notes%20%C3%A4.md", mimeType: "text/markdown", text: "# Größe\n" },
  });
  expect(third?.text).toContain(`${bench.options.home}/attachments/turn-1/a.bin (application/octet-stream, 7 bytes)`);
  expect(last).toEqual({ type: "text", text: "blocks" });
});

test("for all other agents, files are written to the home byte for byte, and the prompt names their paths", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("blocks", { attachments: [image, { ...image, data: notes.data }, notes] });
  const [note, last] = readBlocks(bench);
  expect(last).toEqual({ type: "text", text: "blocks" });
  const paths = [...(note?.text ?? "").matchAll(/^- (.+) \(/gm)].map(([, path = ""]) => path);
  expect(paths.map((path) => path.split("/").at(-1))).toEqual(["shot.png", "shot-2.png", "notes ä.md"]);
  expect(await readFile(paths[0] ?? "")).toEqual(png);
  expect(await readFile(paths[1] ?? "", "utf8")).toBe("# Größe\n");
});

test("a turn's id never leads out of the attachments folder", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("blocks", { turn_id: "../..", attachments: [image] });
  expect(readBlocks(bench)[0]?.text).toContain(`${bench.options.home}/attachments/%2E%2E%2F%2E%2E/shot.png`);
});

test("the prompt of a printing agent lists the files", async () => {
  await using bench = await Bench.open();
  await bench.start("", { protocol: "text", command: ["/bin/cat"] });
  await bench.runTurn("look at it", { attachments: [image], context: "> before" });
  expect(bench.journal.messageText).toMatch(/^<earlier-conversation>[^]*> before[^]*shot\.png[^]*look at it$/);
});

test("the earlier conversation precedes the prompt, marked as a summary", async () => {
  await using bench = await Bench.open();
  expect(await bench.start("plain", { session_id: "an-old-one" })).toMatchObject({ loaded: false });
  await bench.runTurn("blocks", { context: "Person:\n> fix the sum" });
  const [summary, last] = readBlocks(bench);
  expect(summary?.text).toMatch(
    /^<earlier-conversation>\n[^]*summary[^]*Person:\n> fix the sum\n<\/earlier-conversation>$/,
  );
  expect(last?.text).toBe("blocks");
});

test("too many files, too large files and names that are paths are refused before anything is written", () => {
  const prompt = (attachments: unknown) =>
    AgentPrompt.safeParse({
      run_id: "r",
      turn_id: "t",
      text: "x",
      idle_timeout_s: 1,
      commit: { message: "m", author_name: "a", author_email: "a@b.c" },
      attachments,
    }).success;
  const six = { ...image, data: Buffer.alloc(6 * 1024 * 1024).toString("base64") };
  expect(prompt([six])).toBe(true);
  expect(prompt([six, six])).toBe(false);
  expect(prompt(Array.from({ length: 20 }, () => image))).toBe(true);
  expect(prompt(Array.from({ length: 21 }, () => image))).toBe(false);
  for (const name of ["..", ".", "", "a/b", "a\\b", "a\nb", "x".repeat(201)])
    expect(prompt([{ ...image, name }])).toBe(false);
  expect(prompt([{ ...image, data: "not base64!" }])).toBe(false);
});
