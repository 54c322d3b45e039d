import {
  type AgentPrompt,
  type Diff,
  type EventDataOf,
  type GitClone,
  type GitCloned,
  type Health,
  WharfError,
} from "@wharf/contract";
import type { z } from "zod";
import type { MemoryFile, MemoryFiles } from "../memory-files.ts";
import { diffLines, isBinary } from "./line-diff.ts";
import { ObjectStore, parseTree } from "./objects.ts";
import { decodePack } from "./pack.ts";
import { type AskGateway, GitRemote } from "./remote.ts";

/** What is known of the checkout; part of the runner's disk. */
export interface Checkout {
  readonly input: GitClone;
  readonly cloned: z.infer<typeof GitCloned>;
  readonly objects: ObjectStore;
  /** Submodules, which stay as they are. */
  readonly links: ReadonlyMap<string, string>;
  head: string;
}

/** How a file differs from what it was. */
export interface Change {
  readonly path: string;
  readonly additions: number;
  readonly deletions: number;
  readonly patch: string;
  readonly change: "added" | "modified" | "deleted";
  readonly bytes: Buffer | undefined;
}

/** How far back the history of a branch that is taken up again is fetched. */
const resumedDepth = 200;
const coAuthor = "Co-authored-by: Wharf <wharf@localhost>";
const maxPatch = 5 * 1024 * 1024; // characters

type CommitInput = z.infer<typeof AgentPrompt>["commit"];

/** Git without git: it clones from the gateway, commits, compares and pushes, all in memory. One thing at a time. */
export class MockGit {
  readonly #disk: { readonly files: MemoryFiles; checkout?: Checkout };
  readonly #ask: AskGateway;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(disk: { readonly files: MemoryFiles; checkout?: Checkout }, ask: AskGateway) {
    this.#disk = disk;
    this.#ask = ask;
  }

  get checkout(): Checkout | undefined {
    return this.#disk.checkout;
  }

  /** The commit that a name or the beginning of an id means. */
  resolve(revision: string): string {
    const { checkout } = this.#disk;
    if (checkout && revision === checkout.input.shadow_branch) return checkout.head;
    if (checkout && revision === checkout.cloned.base_branch) return checkout.cloned.base_commit_sha;
    const found = checkout?.objects.ancestry(checkout.head).find((sha) => sha.startsWith(revision));
    if (found) return found;
    throw new WharfError("not_found", { what: "commit", id: revision });
  }

  status(): Health["workspace"] {
    const { checkout } = this.#disk;
    if (!checkout) return { cloned: false };
    return { cloned: true, branch: checkout.input.shadow_branch, head: checkout.head };
  }

  clone(input: GitClone): Promise<z.infer<typeof GitCloned>> {
    return this.#inTurn(async () => {
      const { checkout, files } = this.#disk;
      if (checkout) return kept(checkout, input);
      if (files.list("").length > 0)
        throw new WharfError("conflict", {
          what: "workspace",
          from: "in use without a clone",
          to: `a clone of ${input.remote_path}`,
        });
      return this.#clone(input);
    });
  }

  /** Commits what changed; nothing where nothing did. */
  commit(input: CommitInput, by?: { name: string; email: string }): Promise<EventDataOf<"commit"> | undefined> {
    return this.#inTurn(async () => {
      const { checkout, files } = this.#disk;
      if (!checkout) return undefined;
      const { objects, head: parent } = checkout;
      const tree = objects.putTree(files.entries(), checkout.links);
      if (tree === objects.commit(parent).tree) return undefined;
      const trailer = by ? `Co-authored-by: ${clean(by.name)} <${clean(by.email)}>` : coAuthor;
      const message = input.message.trim() || "Work of the agent";
      const who = `${clean(input.author_name) || "Wharf"} <${clean(input.author_email) || "wharf@localhost"}>`;
      const at = `${who} ${Math.floor(Date.now() / 1000)} +0000`;
      const text = `tree ${tree}\nparent ${parent}\nauthor ${at}\ncommitter ${at}\n\n${message}\n\n${trailer}\n`;
      checkout.head = objects.put({ type: "commit", body: Buffer.from(text) });
      const changed = this.changes(parent);
      return {
        kind: "commit",
        sha: checkout.head,
        parent,
        branch: checkout.input.shadow_branch,
        message: message.split("\n")[0] ?? "",
        files: changed.length,
        additions: changed.reduce((sum, { additions }) => sum + additions, 0),
        deletions: changed.reduce((sum, { deletions }) => sum + deletions, 0),
      };
    });
  }

  push({ shadow_branch }: { shadow_branch: string }): Promise<{ sha: string }> {
    return this.#inTurn(async () => {
      const { checkout } = this.#disk;
      if (checkout?.input.shadow_branch !== shadow_branch)
        throw new WharfError("not_found", { what: "branch", id: shadow_branch });
      const { objects, head } = checkout;
      const known = new Set(reachable(objects, checkout.cloned.head));
      const fresh = [...reachable(objects, head)].filter((sha) => !known.has(sha));
      const remote = new GitRemote(this.#ask, checkout.input.remote_path);
      await remote.push({ branch: shadow_branch, sha: head, objects: fresh.flatMap((sha) => objects.get(sha) ?? []) });
      return { sha: head };
    });
  }

  diff({ base }: { base: string }): Promise<Diff> {
    return this.#inTurn(async () => {
      const commit = this.resolve(base);
      const changes = this.changes(commit);
      const patch = changes.map((change) => change.patch).join("");
      return {
        base: commit,
        head: this.#disk.checkout?.head ?? commit,
        files: changes.map(({ path, additions, deletions }) => ({ path, additions, deletions })),
        patch: patch.slice(0, maxPatch),
        truncated: patch.length > maxPatch,
      };
    });
  }

  async #clone(input: GitClone): Promise<z.infer<typeof GitCloned>> {
    const remote = new GitRemote(this.#ask, input.remote_path);
    const { branches, defaultBranch } = await remote.refs("git-upload-pack");
    const base = input.base_branch ?? defaultBranch ?? "HEAD";
    const tip = branches.get(base);
    if (!tip) throw new WharfError("branch_missing", { url: input.remote_path, branch: base });
    const shadow = branches.get(input.shadow_branch);
    const objects = new ObjectStore();
    const head = shadow ?? tip;
    decodePack(await remote.fetch([tip, head], shadow ? resumedDepth : 1), objects);
    const ofBase = new Set(objects.ancestry(tip));
    const fork = objects.ancestry(head).find((sha) => ofBase.has(sha)) ?? tip;
    const links = new Map<string, string>();
    for (const [path, { mode, sha }] of objects.leaves(objects.commit(head).tree)) {
      if (mode === "160000") links.set(path, sha);
      else this.#disk.files.write(path, objects.require(sha, "blob"), modeOf(mode));
    }
    const cloned = { base_branch: base, base_commit_sha: fork, head, resumed: shadow !== undefined };
    this.#disk.checkout = { input, cloned, objects, links, head };
    return cloned;
  }

  /** What the files differ in from a commit. */
  changes(commit: string): Change[] {
    const objects = this.#disk.checkout?.objects;
    if (!objects) return [];
    const before = new Map(objects.leaves(objects.commit(commit).tree));
    const now = new Map(this.#disk.files.entries());
    const paths = [...new Set([...before.keys(), ...now.keys()])].toSorted();
    return paths.flatMap((path) => {
      const entry = before.get(path);
      if (entry?.mode === "160000") return [];
      const old = entry && objects.require(entry.sha, "blob");
      const file = now.get(path);
      if (old && file?.bytes.equals(old) && entry.mode === file.mode) return [];
      const { additions, deletions, hunk } = diffLines(old, file?.bytes);
      const change = old ? (file ? "modified" : "deleted") : "added";
      const patch = header(path, { old, file }) + hunk;
      return [{ path, additions, deletions, patch, change, bytes: file?.bytes ?? old }];
    });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(action);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

function kept({ input, cloned, head }: Checkout, wanted: GitClone): z.infer<typeof GitCloned> {
  const name = ({ remote_path, shadow_branch }: GitClone) => `a clone of ${remote_path} (${shadow_branch})`;
  if (name(input) !== name(wanted))
    throw new WharfError("conflict", { what: "workspace", from: name(input), to: name(wanted) });
  return { ...cloned, head };
}

function header(path: string, { old, file }: { old: Buffer | undefined; file: MemoryFile | undefined }): string {
  const kind = old ? (file ? "" : "deleted file mode 100644\n") : `new file mode ${file?.mode}\n`;
  const names = `--- ${old ? `a/${path}` : "/dev/null"}\n+++ ${file ? `b/${path}` : "/dev/null"}\n`;
  const binary = isBinary(old) || isBinary(file?.bytes);
  return `diff --git a/${path} b/${path}\n${kind}${binary ? `Binary files differ\n` : names}`;
}

const modeOf = (mode: string): MemoryFile["mode"] => (mode === "100755" || mode === "120000" ? mode : "100644");

/** What would begin another field of the commit. */
const clean = (text: string) => text.replace(/[<>\n\0]/g, "").trim();

/** All objects of a commit and of those before it that are known here. */
function reachable(objects: ObjectStore, commit: string): Set<string> {
  const found = new Set<string>();
  const walk = (tree: string): void => {
    if (found.has(tree)) return;
    found.add(tree);
    for (const { mode, sha } of treeOf(objects, tree)) {
      if (mode === "40000") walk(sha);
      else if (mode !== "160000") found.add(sha);
    }
  };
  for (const sha of objects.ancestry(commit)) {
    found.add(sha);
    walk(objects.commit(sha).tree);
  }
  return found;
}

const treeOf = (objects: ObjectStore, sha: string) => parseTree(objects.require(sha, "tree"));
