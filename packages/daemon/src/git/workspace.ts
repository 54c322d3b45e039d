import type { GitOptions } from "./command.ts";

/** Workspace is the git checkout and the context that the daemon's git needs. */
export interface Workspace {
  readonly folder: string;
  readonly state: string;
  /** Larger files are left out of commits. */
  readonly maxFileBytes: number;
  /** Limits one step that contacts no remote. */
  readonly stepTimeoutMs: number;
  /** Returns the remote's URL for a path on the gateway. */
  remoteUrl(path: string): string;
  /** Updates the daemon's view of the repository; required before `options` are used. */
  prepare(): Promise<void>;
  /** Returns the options for git on the repository. */
  options(overrides?: Partial<GitOptions>): GitOptions;
  /** Returns the options for git without a repository. */
  outside(overrides?: Partial<GitOptions>): GitOptions;
}
