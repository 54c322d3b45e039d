#!/usr/bin/env node
/**
 * Starts `wharf` with a recent Node: this one, or the one that npm installed beside the package.
 * This file is plain JavaScript without new syntax, because an old Node has to parse it.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import module, { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const minMajor = 24;
const binFolder = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) < minMajor) restartWith(findBundledNode());
else {
  if (process.argv[2] === "up") limitYoungObjects();
  await main();
}

/**
 * Replaces this process with itself and a limit on the memory for young objects, which V8 reads only
 * when it starts. Without the limit a busy server held 70 MB more, almost all of it garbage.
 */
function limitYoungObjects() {
  const flag = "--max-semi-space-size";
  const isSet = process.execArgv.concat(process.env.NODE_OPTIONS || "").some((option) => option.includes(flag));
  if (isSet || process.platform === "win32") return;
  const args = [process.execPath, flag + "=4"].concat(process.execArgv, process.argv.slice(1));
  process.execve(process.execPath, args, process.env);
}

/** Runs the sources in a checkout, and the bundle in the published package. */
async function main() {
  const bundle = new URL("../dist/main.js", import.meta.url);
  const sources = new URL("../src/main.ts", import.meta.url);
  const isCheckout = existsSync(sources);
  // The sources are many files: with their compiled form a command line starts in half the time.
  if (isCheckout) module.enableCompileCache(fileURLToPath(new URL("../../../.cache/compile", import.meta.url)));
  const entry = isCheckout ? sources : bundle;
  if (!existsSync(entry)) fail("The program is missing: " + fileURLToPath(bundle), "Install the package again.");
  await import(entry.href);
}

function findBundledNode() {
  const system = process.platform === "win32" ? "win" : process.platform;
  const name = "node-" + system + "-" + process.arch;
  try {
    const manifest = createRequire(import.meta.url).resolve(name + "/package.json");
    const node = join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
    if (existsSync(node)) return node;
  } catch {
    // The package is not installed; the error below reports that.
  }
  return fail(
    "Wharf needs Node " +
      minMajor +
      " or newer. This is Node " +
      process.versions.node +
      ", and the package " +
      name +
      " is not installed.",
    "Install Node " + minMajor + " (https://nodejs.org), or install wharf again without `--omit=optional`.",
  );
}

/** Runs the same command line with another Node, and exits with its exit code or signal. */
function restartWith(node) {
  const child = spawn(node, [join(binFolder, "wharf.js"), ...process.argv.slice(2)], { stdio: "inherit" });
  const forwardedSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
  for (const signal of forwardedSignals) process.on(signal, () => child.kill(signal));
  child.on("error", (error) =>
    fail(node + " could not be started: " + error.message, "Install Node " + minMajor + " or newer."),
  );
  child.on("exit", (code, signal) => {
    for (const forwarded of forwardedSignals) process.removeAllListeners(forwarded);
    if (signal === null) process.exit(code);
    process.kill(process.pid, signal);
    // This line runs only if the signal does not end this process.
    process.exitCode = 128 + constants.signals[signal];
  });
}

function fail(reason, next) {
  process.stderr.write("wharf cannot start. " + reason + "\n" + next + "\n");
  process.exit(2);
}
