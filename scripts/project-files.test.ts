import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

/**
 * Tests files that no program reads: documents, and settings of GitHub, editors and version
 * managers.
 */
const root = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const list = (...patterns: string[]) =>
  execFileSync("git", ["ls-files", ...patterns], { cwd: root, encoding: "utf8" })
    .trim()
    .split("\n");

interface Link {
  readonly from: string;
  /** The linked file, relative to the root. */
  readonly path: string;
  readonly anchor: string | undefined;
}

function findLinks(from: string): Link[] {
  const prose = read(from).replace(/^```[^]*?^```/gm, "");
  return [...prose.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(([, target, anchor]) => ({
    from,
    path: target ? relative(root, join(root, dirname(from), target)) : from,
    anchor,
  }));
}

/** Finds the anchors of a document's headings, as GitHub names them. */
function findAnchors(path: string): string[] {
  const headings = read(path).matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, text = ""]) =>
    text
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

describe("documents", () => {
  const documents = list("*.md").filter((path) => !path.startsWith(".github/"));

  test("link to files and headings that exist", () => {
    const isBroken = ({ path, anchor }: Link) =>
      !existsSync(join(root, path)) || (anchor !== undefined && !findAnchors(path).includes(anchor));
    expect(documents.flatMap(findLinks).filter(isBroken)).toEqual([]);
  });

  test("are all linked from the README, directly or through others", () => {
    const reached = new Set(["README.md"]);
    for (const from of reached) {
      if (!from.endsWith(".md")) continue;
      for (const { path } of findLinks(from)) reached.add(path);
    }
    expect(documents.filter((path) => !reached.has(path))).toEqual([]);
  });
});

test("every package has a license and a short README", () => {
  const manifests = list("package.json", "packages/*/package.json");
  const Manifest = z.object({ license: z.string() });
  for (const path of manifests) expect(Manifest.parse(JSON.parse(read(path)))).toEqual({ license: "Apache-2.0" });
  const readmes = list("packages/*/README.md");
  expect(readmes.map(dirname)).toEqual(manifests.map(dirname).filter((folder) => folder !== "."));
  for (const path of readmes) expect(read(path).trim().split("\n").length, path).toBeLessThanOrEqual(25);
});

test("one major version of Node is used everywhere", () => {
  const major = read(".nvmrc").trim();
  const { optionalDependencies } = JSON.parse(read("package.json"));
  expect(Object.values<string>(optionalDependencies).map((version) => version.split(".")[0])).toEqual([major, major]);
  expect(read("packages/cli/bin/wharf.js")).toContain(`const minMajor = ${major};`);
  for (const path of [".devcontainer/devcontainer.json", ".github/workflows/ci.yml"])
    expect(read(path)).toContain(`node:${major}-`);
});

const Workflow = z.looseObject({
  on: z.looseObject({}),
  jobs: z.record(z.string(), z.looseObject({ steps: z.array(z.looseObject({ run: z.string().optional() })) })),
});

test("the workflow runs what a contributor runs", () => {
  const { jobs } = Workflow.parse(parse(read(".github/workflows/ci.yml")));
  const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
  expect(commands.filter((command) => !command.startsWith("git config "))).toEqual([".ci/run"]);
  expect(list("--stage", ".ci/run")[0]).toMatch(/^100755 /);
});

test("issue forms have the fields that GitHub requires", () => {
  const Form = z.object({
    name: z.string(),
    description: z.string(),
    labels: z.array(z.string()),
    body: z.array(
      z.discriminatedUnion("type", [
        z.object({ type: z.literal("markdown"), attributes: z.object({ value: z.string() }) }),
        z.object({
          type: z.literal("textarea"),
          id: z.string(),
          attributes: z.strictObject({
            label: z.string(),
            description: z.string().optional(),
            render: z.string().optional(),
          }),
          validations: z.object({ required: z.boolean() }).optional(),
        }),
      ]),
    ),
  });
  const forms = list(".github/ISSUE_TEMPLATE/*.yml").filter((path) => !path.endsWith("/config.yml"));
  expect(forms).toHaveLength(2);
  for (const path of forms) expect(() => Form.parse(parse(read(path))), path).not.toThrow();
});
