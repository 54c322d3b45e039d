import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const launcher = join(import.meta.dirname, "../bin/wharf.js");
const system = `${process.platform}-${process.arch}`;
/** Makes Node report an old version. */
const pretendOld =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})';

/** This folder holds a published package, whose main reports its outcome, and a Node beside it. */
let home = "";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "wharf-launcher-"));
  await mkdir(join(home, "bin"));
  await mkdir(join(home, "dist"));
  await cp(launcher, join(home, "bin/wharf.js"));
  await writeFile(join(home, "package.json"), '{"type":"module"}');
  await writeFile(
    join(home, "dist/main.js"),
    `process.on("SIGTERM", () => process.exit(42));
     if (process.argv[2] === "up") {
       console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2), flags: process.execArgv }));
       process.exit();
     }
     console.log(JSON.stringify({ args: process.argv.slice(2), viaNode: process.env.VIA_NODE }));
     if (process.argv[2] === "wait") setInterval(() => {}, 1000);
     else if (process.argv[2] === "die") process.kill(process.pid, "SIGKILL");
     else process.exit(Number(process.argv[2] ?? 0));`,
  );
});
afterAll(() => rm(home, { recursive: true }));

async function addNode(): Promise<() => Promise<void>> {
  const folder = join(home, "node_modules", `node-${system}`);
  await mkdir(join(folder, "bin"), { recursive: true });
  await writeFile(join(folder, "package.json"), "{}");
  await writeFile(join(folder, "bin/node"), `#!/bin/sh\nVIA_NODE=bundled exec "${process.execPath}" "$@"\n`, {
    mode: 0o755,
  });
  return () => rm(join(home, "node_modules"), { recursive: true });
}

function launch(args: readonly string[], isOld: boolean) {
  const child = spawn(
    process.execPath,
    [...(isOld ? ["--import", pretendOld] : []), join(home, "bin/wharf.js"), ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk) => (said.out += String(chunk)));
  child.stderr.on("data", (chunk) => (said.err += String(chunk)));
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...said }));
  return { child, ended };
}

describe("the launcher", () => {
  test("limits the memory for young objects of a server, in the same process", async () => {
    const { child, ended } = launch(["up", "--port", "0"], false);
    const { code, out, err } = await ended;
    const said = { pid: child.pid, args: ["up", "--port", "0"], flags: ["--max-semi-space-size=4"] };
    expect({ code, err, said: JSON.parse(out) }).toEqual({ code: 0, err: "", said });
  });

  test("runs the program in this process if Node is recent enough", async () => {
    const { code, out } = await launch(["7", "a b"], false).ended;
    expect({ code, said: JSON.parse(out) }).toEqual({ code: 7, said: { args: ["7", "a b"] } });
  });

  test("starts the bundled Node if this one is too old, and ends with its exit code or signal", async () => {
    const remove = await addNode();
    const { code, out } = await launch(["7", "--flag"], true).ended;
    expect({ code, said: JSON.parse(out) }).toEqual({ code: 7, said: { args: ["7", "--flag"], viaNode: "bundled" } });
    expect(await launch(["die"], true).ended).toMatchObject({ code: null, signal: "SIGKILL" });
    await remove();
  });

  test("forwards signals", async () => {
    const remove = await addNode();
    const { child, ended } = launch(["wait"], true);
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 42 });
    await remove();
  });

  test("explains what to install if no recent Node exists", async () => {
    const { code, out, err } = await launch([], true).ended;
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain("Wharf needs Node 24 or newer");
    expect(err).toContain("Install Node 24");
  });
});
