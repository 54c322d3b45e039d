import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  WharfError,
  type AgentPrompt,
  type Diff,
  type EventDataOf,
  type GitClone,
  type GitCloned,
  type Health,
} from "@wharf/contract";
import type { z } from "zod";
import { readCheckout, type Checkout } from "./checkout-state.ts";
import { clone } from "./clone.ts";
import { git } from "./command.ts";
import { commit, rememberTold } from "./commit.ts";
import { diff } from "./diff.ts";
import { push } from "./push.ts";
import { isSystemError } from "../support/files.ts";
import type { Workspace } from "./workspace.ts";

interface GitWorkspaceOptions {
  workspace: string;
  state: string;
  /** What the remote's paths are put behind: the relay, such as `http://127.0.0.1:4100`. */
  remoteBase: string;
  /** Ends what is being done. */
  signal?: AbortSignal;
  /** Protocols besides http that the remote may have. */
  protocols?: readonly string[];
}

/** The daemon's git: it clones, commits, compares and pushes the workspace, one thing at a time. */
export class GitWorkspace {
  readonly #workspace: Workspace;
  #queue: Promise<unknown> = Promise.resolve();
  /** The newest commit that was handed out. It is kept on disk by the next step, so that none is forgotten. */
  #told: string | undefined;

  constructor(options: GitWorkspaceOptions) {
    const settings = Object.fromEntries((options.protocols ?? []).map((name) => [`protocol.${name}.allow`, "always"]));
    this.#workspace = {
      folder: options.workspace,
      state: options.state,
      remoteUrl: (path) => options.remoteBase + path,
      options: (more) => ({ cwd: options.workspace, settings, signal: options.signal, ...more }),
    };
  }

  clone(input: GitClone): Promise<z.infer<typeof GitCloned>> {
    return this.#inTurn(() => clone(this.#workspace, input));
  }

  /** Commits what changed since the last call; nothing where nothing did. */
  commit(input: z.infer<typeof AgentPrompt>["commit"]): Promise<EventDataOf<"commit"> | undefined> {
    return this.#inTurn(async () => {
      const checkout = await this.#settled();
      if (!checkout) return undefined;
      const made = await commit(this.#workspace, checkout, input);
      this.#told = made?.sha ?? this.#told;
      return made;
    });
  }

  push({ shadow_branch }: { shadow_branch: string }): Promise<{ sha: string }> {
    return this.#inTurn(async () => {
      const checkout = await this.#settled();
      if (checkout?.shadow_branch !== shadow_branch)
        throw new WharfError("not_found", { what: "branch", id: shadow_branch });
      return push(this.#workspace, checkout);
    });
  }

  diff({ base }: { base: string }): Promise<Diff> {
    return this.#inTurn(async () => {
      if (!(await this.#settled())) throw new WharfError("not_found", { what: "commit", id: base });
      return diff(this.#workspace, base);
    });
  }

  /** Read from the files, without starting git. */
  async status(): Promise<Health["workspace"]> {
    const checkout = await readCheckout(this.#workspace.state);
    if (checkout?.status !== "cloned") return { cloned: false };
    const folder = join(this.#workspace.folder, ".git");
    const head = await readLine(join(folder, "HEAD"));
    if (!head?.startsWith("ref: refs/heads/")) return { cloned: true, ...(head && { head }) };
    const branch = head.slice("ref: refs/heads/".length);
    const sha = (await readLine(join(folder, "refs/heads", branch))) ?? (await this.#packed(branch));
    return { cloned: true, branch, ...(sha && { head: sha }) };
  }

  async #packed(branch: string): Promise<string | undefined> {
    const options = this.#workspace.options({ accept: [1, 128] });
    return (
      (await git(["rev-parse", "--quiet", "--verify", `refs/heads/${branch}`], options)).stdout.trim() || undefined
    );
  }

  async #settled(): Promise<Checkout | undefined> {
    const checkout = await readCheckout(this.#workspace.state);
    if (checkout?.status !== "cloned") return undefined;
    return rememberTold(this.#workspace, checkout, this.#told ?? checkout.told);
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

async function readLine(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR", "EISDIR")) return undefined;
    throw error;
  }
}
