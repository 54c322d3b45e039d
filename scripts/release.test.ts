import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { releaseChanges, requireNewer } from "./release.ts";

const root = join(import.meta.dirname, "..");

describe("the changelog of a release", () => {
  const changelog = "# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing\n\n## 0.1.0 – 2026-01-01\n\n- Old\n";
  const release = { to: "0.2.0", date: "2026-02-03" };

  test("moves the unreleased entries below the version", () => {
    expect(releaseChanges(changelog, release)).toBe(
      changelog.replace("## Unreleased\n", "## Unreleased\n\n## 0.2.0 – 2026-02-03\n"),
    );
  });

  test.each([
    ["no change is unreleased", changelog.replace("- A thing\n", ""), "names no unreleased change"],
    ["the section is missing", changelog.replace("## Unreleased\n", ""), "exactly one section"],
  ])("is refused when %s", (_, text, reason) => {
    expect(() => releaseChanges(text, release)).toThrow(reason);
  });
});

test("a version must be newer than the last one", () => {
  for (const [from, to] of [
    ["0.1.0", "0.1.1"],
    ["0.9.0", "0.10.0"],
    ["0.10.3", "1.0.0"],
  ] as const)
    expect(() => requireNewer(from, to)).not.toThrow();
  for (const [from, to, reason] of [
    ["0.1.0", "0.1.0", "not newer"],
    ["0.10.0", "0.9.9", "not newer"],
    ["0.1.0", "v0.2.0", "not a version"],
    ["0.1.0", "0.2", "not a version"],
  ] as const)
    expect(() => requireNewer(from, to)).toThrow(reason);
});

/** Releases a clone with the dependencies of this checkout, and its own packages. */
describe("npm run release", () => {
  let folder: string;
  let clone: string;
  const git = (...args: string[]) => execFileSync("git", args, { cwd: clone, encoding: "utf8" }).trim();
  const release = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/release.ts", ...args], {
      cwd: clone,
      encoding: "utf8",
    });
    return { status, out: stdout + stderr };
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "wharf-release-"));
    clone = join(folder, "wharf");
    execFileSync("git", ["clone", "--quiet", "--local", root, clone]);
    git("config", "user.name", "Tester");
    git("config", "user.email", "tester@localhost");
    mkdirSync(join(clone, "node_modules/@wharf"), { recursive: true });
    for (const name of readdirSync(join(root, "node_modules")).filter((one) => one !== "@wharf" && one !== "wharf"))
      symlinkSync(join(root, "node_modules", name), join(clone, "node_modules", name));
    for (const name of readdirSync(join(root, "node_modules/@wharf")))
      symlinkSync(join(clone, "packages", name), join(clone, "node_modules/@wharf", name));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("refuses a working tree with changes and lists them", () => {
    appendFileSync(join(clone, "README.md"), "changed\n");
    expect(release("99.0.0")).toEqual({ status: 1, out: expect.stringContaining("M README.md") });
    git("checkout", "--", "README.md");
  });

  test("writes nothing with --dry-run, and then releases", { timeout: 120_000 }, () => {
    const before = git("rev-parse", "HEAD");
    const plan = release("99.0.0", "--dry-run");
    expect(plan).toEqual({ status: 0, out: expect.stringContaining("change CHANGELOG.md") });
    expect([git("status", "--porcelain"), git("tag", "--list", "v99.0.0")]).toEqual(["", ""]);

    const { status, out } = release("99.0.0");
    expect({ status, out }).toMatchObject({ status: 0 });
    expect(git("log", "--format=%s", `${before}..v99.0.0`)).toBe("Release 99.0.0");
    expect(git("status", "--porcelain")).toBe("");
    for (const path of git("diff", "--name-only", before, "v99.0.0").split("\n")) expect(plan.out).toContain(path);
    expect(readFileSync(join(clone, "CHANGELOG.md"), "utf8")).toMatch(
      /^## Unreleased\n\n## 99\.0\.0 – \d{4}-\d\d-\d\d$/m,
    );

    const { version, packages } = JSON.parse(readFileSync(join(clone, "package-lock.json"), "utf8"));
    expect([version, packages[""].version]).toEqual(["99.0.0", "99.0.0"]);

    const tarball = join(clone, "packages/cli/dist/wharf-99.0.0.tgz");
    execFileSync("tar", ["--extract", "--file", tarball, "--directory", folder]);
    const launcher = join(folder, "package/bin/wharf.js");
    expect(execFileSync(process.execPath, [launcher, "--version"], { encoding: "utf8" })).toBe("99.0.0\n");
    expect(release("99.0.0")).toEqual({ status: 1, out: expect.stringContaining("not newer") });
  });
});
