import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packClient } from "./client/pack-client.ts";
import { pack } from "./pack.ts";

/**
 * Makes a release: changes the version, moves the changelog's Unreleased section below it, packs
 * the tarball, commits and tags. Nothing leaves this machine; docs/release.md explains how to
 * publish.
 *
 *     npm run release -- 0.2.0 [--dry-run]
 */
const root = join(import.meta.dirname, "..");
const tarballFolder = join(root, "packages/cli/dist");
const unreleased = "## Unreleased\n";

interface Release {
  readonly from: string;
  readonly to: string;
  readonly date: string;
}

interface Edit {
  readonly path: string;
  readonly content: string;
}

/** Moves the unreleased changes below a heading with the version and the date. */
export function releaseChanges(changelog: string, { to, date }: Pick<Release, "to" | "date">): string {
  const [before, after, ...more] = changelog.split(unreleased);
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error('CHANGELOG.md needs exactly one section "Unreleased".');
  const changes = after.split(/^## /m)[0] ?? "";
  if (!/^- /m.test(changes)) throw new Error("CHANGELOG.md names no unreleased change: there is nothing to release.");
  return `${before}${unreleased}\n## ${to} – ${date}\n${after}`;
}

export function requireNewer(from: string, to: string): void {
  const [old, next] = [parseVersion(from), parseVersion(to)];
  const changed = next.findIndex((part, i) => part !== old[i]);
  if (changed < 0 || (next[changed] ?? 0) < (old[changed] ?? 0))
    throw new Error(`The version ${to} is not newer than ${from}.`);
}

function parseVersion(version: string): number[] {
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(version))
    throw new Error(`'${version}' is not a version: write three numbers, such as 0.2.0.`);
  return version.split(".").map(Number);
}

/**
 * The source of the version is package.json. The lock file repeats it, and deployment files cannot
 * read a manifest.
 */
function planEdits(release: Release): Edit[] {
  const { from, to } = release;
  const field = [`"version": "${from}"`, `"version": "${to}"`] as const;
  const imageTag = [`WHARF_IMAGE_TAG=${from}\n`, `WHARF_IMAGE_TAG=${to}\n`] as const;
  return [
    replaceIn("package.json", [field]),
    // The first two are the workspace's own version; later ones are dependencies.
    replaceIn("package-lock.json", [field, field]),
    replaceIn("deploy/kubernetes/base/kustomization.yaml", [imageTag, [`newTag: ${from}\n`, `newTag: ${to}\n`]]),
    replaceIn("deploy/kubernetes/production-config.example.env", [imageTag]),
    { path: "CHANGELOG.md", content: releaseChanges(read("CHANGELOG.md"), release) },
  ];
}

/** Applies the replacements in order, each to the first remaining occurrence of its text. */
function replaceIn(path: string, replacements: readonly (readonly [from: string, to: string])[]): Edit {
  let content = read(path);
  for (const [from, to] of replacements) {
    if (!content.includes(from)) throw new Error(`${path} does not contain ${from.trim()}.`);
    content = content.replace(from, () => to);
  }
  return { path, content };
}

const read = (path: string): string => readFileSync(join(root, path), "utf8");

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

function requireReleasable(tag: string): void {
  const changes = git("status", "--porcelain");
  if (changes) throw new Error(`Commit or remove these changes first:\n${changes}`);
  if (git("tag", "--list", tag)) throw new Error(`The tag ${tag} exists already.`);
}

async function writeRelease(edits: readonly Edit[], { to }: Release): Promise<void> {
  const paths = edits.map(({ path }) => path);
  try {
    for (const { path, content } of edits) writeFileSync(join(root, path), content);
    for (const tarball of [await pack(tarballFolder), await packClient(tarballFolder)])
      console.log(`packed ${tarball}`);
  } catch (error) {
    git("checkout", "--", ...paths);
    throw error;
  }
  git("commit", "--quiet", "--message", `Release ${to}`, "--", ...paths);
  git("tag", "--annotate", `v${to}`, "--message", `Wharf ${to}`);
  console.log(`committed and tagged v${to}; docs/release.md says how to publish it`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { "dry-run": { type: "boolean" } } });
  const [to] = positionals;
  if (to === undefined || positionals.length > 1) throw new Error("usage: npm run release -- VERSION [--dry-run]");
  const from: string = JSON.parse(read("package.json")).version;
  requireNewer(from, to);
  requireReleasable(`v${to}`);
  const release = { from, to, date: new Date().toISOString().slice(0, 10) };
  const edits = planEdits(release);
  if (!values["dry-run"]) return writeRelease(edits, release);
  console.log(`would release ${to}, after ${from}:`);
  for (const { path } of edits) console.log(`  change ${path}`);
  console.log(
    `  pack packages/cli/dist/wharf-${to}.tgz and wharf-client-${to}.tgz\n  commit "Release ${to}"\n  tag v${to}`,
  );
}

if (import.meta.main)
  await main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
