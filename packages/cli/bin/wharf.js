#!/usr/bin/env node
/**
 * Starts `wharf` with a Node that is new enough: this one, or the one that npm installed beside the package. Plain
 * JavaScript without new syntax, since an old Node has to be able to read it.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const oldestMajor = 24;
const here = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) >= oldestMajor) await main();
else startAnew(bundledNode());

/** The bundle in the published package, the sources in a checkout. */
async function main() {
  const bundle = new URL("../dist/main.js", import.meta.url);
  const sources = new URL("../src/main.ts", import.meta.url);
  const entry = existsSync(sources) ? sources : bundle;
  if (!existsSync(entry)) fail("Its program is not there: " + fileURLToPath(bundle), "Install the package again.");
  await import(entry.href);
}

function bundledNode() {
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = "node-" + system + "-" + process.arch;
  try {
    const manifest = createRequire(import.meta.url).resolve(name + "/package.json");
    const node = join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
    if (existsSync(node)) return node;
  } catch {
    // The package is not installed; told of below.
  }
  return fail(
    "It needs Node " +
      oldestMajor +
      " or newer. This is Node " +
      process.versions.node +
      ", and the package " +
      name +
      " is not installed.",
    "Install Node " + oldestMajor + " (https://nodejs.org), or install wharf again without `--omit=optional`.",
  );
}

/** Runs the same command line with another Node and ends as it ends. */
function startAnew(node) {
  const child = spawn(node, [join(here, "wharf.js"), ...process.argv.slice(2)], { stdio: "inherit" });
  const passed = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
  for (const signal of passed) process.on(signal, () => child.kill(signal));
  child.on("error", (error) =>
    fail(node + " could not be started: " + error.message, "Install Node " + oldestMajor + " or newer."),
  );
  child.on("exit", (code, signal) => {
    for (const one of passed) process.removeAllListeners(one);
    if (signal === null) process.exit(code);
    process.kill(process.pid, signal);
    // Reached only where this process does not die of that signal.
    process.exitCode = 128 + constants.signals[signal];
  });
}

function fail(what, next) {
  process.stderr.write("wharf cannot start. " + what + "\n" + next + "\n");
  process.exit(2);
}
