import { mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Diff, WharfError } from "@wharf/contract";
import { diffBranch } from "./diff.ts";
import { type Config, servedEnvironment } from "./environment.ts";
import { forwardBranch } from "./forward.ts";
import { startDeadline } from "./deadline.ts";
import { createHostEnvironment } from "./host-environment.ts";
import { createLocks } from "./locks.ts";
import { isShadowBranch, parseRemote, type Remote } from "./remote.ts";
import { createRemoteGit, createRemoteTimeout, defaultNetworkLimits, type NetworkLimits } from "./remote-git.ts";
import type { RemoteRefs } from "./remote-refs.ts";
import { runGit } from "./run.ts";
import { createShared } from "./shared.ts";
import { fetchShadow, synchronise } from "./synchronise.ts";

export interface EnsureOptions {
  readonly signal?: AbortSignal;
  /** Git's own progress, line by line. */
  readonly onProgress?: (line: string) => void;
  /** A task's branch, taken from the remote where the mirror does not have it. */
  readonly shadow_branch?: string;
  /** Limit of the whole call, besides the limits of its commands. */
  readonly timeoutMs?: number;
}

export interface ForwardInput {
  readonly url: string;
  readonly repository_id: string;
  readonly branch: string;
  readonly sha: string;
  readonly signal?: AbortSignal;
  /** Limit of the whole call, besides the limits of its commands. */
  readonly timeoutMs?: number;
}

/** Bare copies of repositories, outside of every runner. */
export interface Mirrors {
  readonly folder: string;
  readonly maxRepositoryMb: number;
  /** Creates the mirror or brings it up to date. Calls for one address at the same time share one fetch. */
  ensure(url: string, options?: EnsureOptions): Promise<{ repository_id: string; default_branch: string }>;
  path(repositoryId: string): string;
  head(repositoryId: string, branch: string): Promise<string | undefined>;
  diff(repositoryId: string, base: string, branch: string): Promise<Diff>;
  /** Pushes a branch of the mirror to the real remote. */
  forward(input: ForwardInput): Promise<void>;
  /** The environment in which git serves a mirror to a runner. */
  servingEnvironment(config: Config): Record<string, string>;
}

export interface MirrorsOptions {
  readonly folder: string;
  readonly maxRepositoryMb: number;
  /** The server's own environment; only what git needs for its logins is taken from it. */
  readonly gitEnvironment?: Readonly<Record<string, string>>;
  readonly networkLimits?: Partial<NetworkLimits>;
}

const noProgress = () => undefined;

export function openMirrors(options: MirrorsOptions): Mirrors {
  const { folder, maxRepositoryMb, gitEnvironment = {} } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const locks = createLocks();
  const served = servedEnvironment(gitEnvironment);
  const swept = sweep(folder);
  const runRemoteGit = createRemoteGit({ ...defaultNetworkLimits, ...options.networkLimits });
  const hosted = createHostEnvironment(gitEnvironment);

  const fetches = createShared<Remote, RemoteRefs>(async (remote, { signal, onProgress }) => {
    await swept;
    const environment = await hosted();
    return locks.run(
      remote.id,
      () => synchronise(remote, { folder, environment, maxRepositoryMb, runRemoteGit, signal, onProgress }),
      signal,
    );
  });

  const path = (repositoryId: string): string => {
    if (!/^[0-9a-f]{20}$/.test(repositoryId))
      throw new WharfError("not_found", { what: "repository", id: repositoryId });
    return join(folder, `${repositoryId}.git`);
  };

  return {
    folder,
    maxRepositoryMb,
    path,
    async ensure(url, { onProgress = noProgress, shadow_branch, timeoutMs, ...given } = {}) {
      const remote = await parseRemote(url);
      using deadline = startDeadline(given.signal, timeoutMs, () =>
        createRemoteTimeout(remote, "fetch", timeoutMs ?? 0),
      );
      const { signal } = deadline;
      const refs = await fetches.join(remote.id, remote, { signal, onProgress });
      if (shadow_branch !== undefined && refs.branches.has(shadow_branch) && isShadowBranch(shadow_branch)) {
        const environment = await hosted();
        await locks.run(
          remote.id,
          () =>
            fetchShadow(remote, shadow_branch, {
              folder,
              environment,
              maxRepositoryMb,
              runRemoteGit,
              signal,
              onProgress,
            }),
          signal,
        );
      }
      return { repository_id: remote.id, default_branch: refs.defaultBranch };
    },
    async head(repositoryId, branch) {
      const found = await runGit(
        [`--git-dir=${path(repositoryId)}`, "show-ref", "--verify", "--hash", `refs/heads/${branch}`],
        { environment: served },
      );
      return found.code === 0 ? found.stdout.trim() : undefined;
    },
    diff: async (repositoryId, base, branch) =>
      diffBranch({ mirror: path(repositoryId), environment: served, base, branch }),
    async forward({ url, repository_id, branch, sha, timeoutMs, ...given }) {
      const ref = `refs/heads/${branch}`;
      if (!isShadowBranch(branch))
        throw new WharfError("push_rejected", { ref, reason: "only branches beneath shadow/ are forwarded" });
      if (!/^[0-9a-f]{40,64}$/.test(sha))
        throw new WharfError("push_rejected", { ref, reason: `'${sha}' is not a commit` });
      const remote = await parseRemote(url);
      if (remote.id !== repository_id)
        throw new WharfError("push_rejected", {
          ref,
          reason: `the mirror ${repository_id} is not one of ${remote.shown}`,
        });
      using deadline = startDeadline(given.signal, timeoutMs, () =>
        createRemoteTimeout(remote, "push", timeoutMs ?? 0),
      );
      const { signal } = deadline;
      const environment = await hosted();
      const mirror = path(repository_id);
      await locks.run(
        `${repository_id} ${branch}`,
        () => forwardBranch({ mirror, remote, branch, sha, environment, folder, runRemoteGit, signal }),
        signal,
      );
    },
    servingEnvironment: (config) => servedEnvironment(gitEnvironment, config),
  };
}

/** A server that was killed may have left half a mirror. */
async function sweep(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names
      .filter((name) => name.startsWith(".new-"))
      .map((name) => rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)),
  );
}
