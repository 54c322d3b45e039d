import { randomBytes } from "node:crypto";
import { access, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { remoteFailure } from "./failure.ts";
import { GrowthWatch, removeLeftovers } from "./folder-size.ts";
import { clearStaleLocks, lockedOut, tidy } from "./housekeeping.ts";
import type { Remote } from "./remote.ts";
import type { RunRemoteGit } from "./remote-git.ts";
import { readRemoteRefs, type RemoteRefs } from "./remote-refs.ts";
import { type GitResult, runGit } from "./run.ts";

export interface Synchronising {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly maxRepositoryMb: number;
  readonly runRemoteGit: RunRemoteGit;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/** Branches, tags, and never what tasks pushed to the mirror: that is neither overwritten nor pruned. */
const refspecs = [
  "+refs/heads/*:refs/heads/*",
  "+refs/tags/*:refs/tags/*",
  "^refs/heads/shadow/*",
  "^refs/heads/shadow",
];
const lockPatience = 1_000; // ms

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Makes the mirror, or brings it up to date. A new one appears whole or not at all. */
export async function synchronise(remote: Remote, options: Synchronising): Promise<RemoteRefs> {
  const refs = await readRemoteRefs(remote, options);
  const mirror = join(options.folder, `${remote.id}.git`);
  const there = await exists(join(mirror, "HEAD"));
  await (there ? update : create)(mirror, { ...options, remote, refs });
  return refs;
}

interface Updating extends Synchronising {
  readonly remote: Remote;
  readonly refs: RemoteRefs;
}

async function create(mirror: string, options: Updating): Promise<void> {
  const { remote } = options;
  const unfinished = join(options.folder, `.new-${remote.id}-${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    const made = await runGit(["init", "--quiet", "--bare", "--template=", "--initial-branch=main", unfinished], {
      environment: options.environment,
      signal: options.signal,
    });
    if (made.code !== 0) throw remoteFailure(made.stderr, remote, options.folder);
    await update(unfinished, options);
    await writeFile(join(unfinished, "description"), `${remote.shown}\n`);
    await rm(mirror, { recursive: true, force: true });
    await rename(unfinished, mirror);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

async function update(mirror: string, options: Updating): Promise<void> {
  const { remote, refs } = options;
  await fetch(mirror, remote, { ...options, refspecs, prune: true });
  const { environment, signal } = options;
  await runGit([`--git-dir=${mirror}`, "symbolic-ref", "HEAD", `refs/heads/${refs.defaultBranch}`], {
    environment,
    signal,
  });
  await tidy(mirror, options);
}

/** Takes one task's branch from the remote into a mirror that does not have it. */
export async function fetchShadow(remote: Remote, branch: string, options: Synchronising): Promise<void> {
  const mirror = join(options.folder, `${remote.id}.git`);
  const ref = `refs/heads/${branch}`;
  const known = await runGit([`--git-dir=${mirror}`, "show-ref", "--verify", "--quiet", ref], options);
  if (known.code === 0) return;
  await fetch(mirror, remote, { ...options, refspecs: [`${ref}:${ref}`], prune: false });
}

interface Fetching extends Synchronising {
  readonly refspecs: readonly string[];
  readonly prune: boolean;
}

async function fetch(mirror: string, remote: Remote, options: Fetching): Promise<void> {
  using watch = await GrowthWatch.start(mirror, options.maxRepositoryMb * 1024 * 1024);
  const tooLarge = () =>
    new WharfError("repository_too_large", { url: remote.shown, limit_mb: options.maxRepositoryMb });
  const signal = AbortSignal.any([options.signal, watch.signal]);
  const fetching = { ...options, signal };
  try {
    let fetched = await fetchOnce(mirror, remote, fetching);
    // A git killed with the server leaves its lock behind, and nothing else would ever remove it.
    if (fetched.code !== 0 && lockedOut(fetched.stderr)) {
      await pause(lockPatience, undefined, { signal });
      await clearStaleLocks(mirror, lockPatience);
      fetched = await fetchOnce(mirror, remote, fetching);
    }
    if (await watch.check()) throw tooLarge();
    if (fetched.code !== 0) throw remoteFailure(fetched.stderr, remote, options.folder);
  } catch (thrown) {
    await removeLeftovers(mirror);
    throw watch.exceeded && !options.signal.aborted ? tooLarge() : thrown;
  }
}

function fetchOnce(mirror: string, remote: Remote, options: Fetching): Promise<GitResult> {
  const flags = [
    "--progress",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    ...(options.prune ? ["--prune"] : []),
  ];
  const args = [`--git-dir=${mirror}`, "fetch", ...flags, "--", remote.address, ...options.refspecs];
  const { environment, signal, onProgress, runRemoteGit } = options;
  return runRemoteGit({ phase: "fetch", remote, args, environment, signal, onLine: onProgress });
}
