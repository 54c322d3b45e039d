import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { drawSvg } from "./draw-svg.ts";
import { type OutputChunk, parseOutput } from "./parse-output.ts";
import { takePictures } from "./take-pictures.ts";

/**
 * Runs `wharf demo` on a terminal, and draws what it prints and the pages to which it leads: the
 * pictures in the README and in docs/browser.md.
 */

const root = join(import.meta.dirname, "../..");
const picture = join(root, "docs/images/demo.svg");
const columns = 100;

async function recordDemo(home: string): Promise<OutputChunk[]> {
  const chunks: OutputChunk[] = [];
  const startedAt = performance.now();
  const program = spawn(process.execPath, [join(root, "packages/cli/bin/wharf.js"), "demo"], {
    cols: columns,
    rows: 40,
    cwd: home,
    env: { ...process.env, HOME: home, TMPDIR: home, TERM: "xterm-256color" },
  });
  const exit = new Promise<number>((resolve) => program.onExit(({ exitCode }) => resolve(exitCode)));
  const link = new Promise<string | undefined>((resolve) => {
    let isOver = false;
    program.onData((text) => {
      if (isOver) return;
      chunks.push({ time: performance.now() - startedAt, text });
      const found = /http:\/\/[\w.:/?=-]+\/login\/[\w./?=-]+/.exec(text)?.[0];
      if (found === undefined) return;
      isOver = true;
      resolve(found);
    });
    void exit.then(() => resolve(undefined));
  });
  const login = await link;
  if (login !== undefined) await takePictures(login, dirname(picture)).finally(() => program.write("\u0003"));
  const exitCode = await exit;
  if (exitCode !== 0) throw new Error(`wharf demo ended with ${exitCode}: ${chunks.map(({ text }) => text).join("")}`);
  return chunks.map(({ time, text }) => ({ time, text: text.replaceAll(home, "/tmp") }));
}

const home = await mkdtemp(join(tmpdir(), "wharf-recording-"));
await chmod(home, 0o755); // the database of a server that root runs belongs to another user
try {
  const lines = parseOutput(await recordDemo(home));
  await mkdir(dirname(picture), { recursive: true });
  await writeFile(picture, drawSvg(lines, { title: "wharf demo", columns, rows: 28 }));
  console.log(`${lines.length} lines are in docs/images/demo.svg`);
} finally {
  await rm(home, { recursive: true, force: true });
}
