import { createHash } from "node:crypto";
import type { MemoryFile } from "../memory-files.ts";

export type ObjectType = "commit" | "tree" | "blob" | "tag";
export interface GitObject {
  readonly type: ObjectType;
  readonly body: Buffer;
}

export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  readonly sha: string;
}

export interface Commit {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly message: string;
  readonly author_name: string;
  readonly author_email: string;
  readonly at: string;
}

/** Git's objects in memory, by their SHA-1. */
export class ObjectStore {
  readonly #objects = new Map<string, GitObject>();

  put(object: GitObject): string {
    const head = `${object.type} ${object.body.length}\0`;
    const sha = createHash("sha1").update(head).update(object.body).digest("hex");
    this.#objects.set(sha, object);
    return sha;
  }

  get(sha: string): GitObject | undefined {
    return this.#objects.get(sha);
  }

  require(sha: string, type: ObjectType): Buffer {
    const object = this.#objects.get(sha);
    if (object?.type !== type) throw new Error(`there is no ${type} ${sha}`);
    return object.body;
  }

  commit(sha: string): Commit {
    const text = this.require(sha, "commit").toString();
    const [head = "", ...rest] = text.split("\n\n");
    const values = (name: string) =>
      head.split("\n").flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1)] : []));
    const [, name = "", email = "", seconds = "0"] = /^(.*) <(.*)> (\d+)/.exec(values("author")[0] ?? "") ?? [];
    return {
      tree: values("tree")[0] ?? "",
      parents: values("parent"),
      message: rest.join("\n\n"),
      author_name: name,
      author_email: email,
      at: new Date(Number(seconds) * 1000).toISOString(),
    };
  }

  /** A commit and those it follows, as far as they are known here; the nearest first. */
  ancestry(sha: string): string[] {
    const seen = new Set([sha]);
    for (const at of seen) {
      if (this.#objects.get(at)?.type !== "commit") continue;
      for (const parent of this.commit(at).parents) if (this.#objects.has(parent)) seen.add(parent);
    }
    return [...seen];
  }

  /** Everything in a tree that is no tree, by its path. */
  *leaves(tree: string, prefix = ""): Generator<[string, TreeEntry]> {
    for (const entry of parseTree(this.require(tree, "tree"))) {
      const path = `${prefix}${entry.name}`;
      if (entry.mode === "40000") yield* this.leaves(entry.sha, `${path}/`);
      else yield [path, entry];
    }
  }

  /** The tree of these files; `links` are the submodules, which nobody looks into. */
  putTree(files: Iterable<[string, MemoryFile]>, links: ReadonlyMap<string, string>): string {
    const root: Folder = new Map();
    for (const [path, { bytes, mode }] of files)
      place(root, path.split("/"), { mode, sha: this.put({ type: "blob", body: bytes }) });
    for (const [path, sha] of links) place(root, path.split("/"), { mode: "160000", sha });
    return this.#putFolder(root);
  }

  #putFolder(folder: Folder): string {
    const entries = [...folder].map(([name, entry]) =>
      entry instanceof Map ? { name, mode: "40000", sha: this.#putFolder(entry) } : { name, ...entry },
    );
    // As git sorts: a folder as if its name ended with a slash.
    const key = ({ name, mode }: TreeEntry) => Buffer.from(mode === "40000" ? `${name}/` : name);
    const body = entries
      .toSorted((a, b) => Buffer.compare(key(a), key(b)))
      .flatMap(({ mode, name, sha }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(sha, "hex")]);
    return this.put({ type: "tree", body: Buffer.concat(body) });
  }
}

type Leaf = Pick<TreeEntry, "mode" | "sha">;
interface Folder extends Map<string, Leaf | Folder> {}

function place(folder: Folder, [name = "", ...rest]: string[], leaf: Leaf): void {
  if (rest.length === 0) return void folder.set(name, leaf);
  const known = folder.get(name);
  const next: Folder = known instanceof Map ? known : new Map();
  folder.set(name, next);
  place(next, rest, leaf);
}

export function parseTree(body: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const end = body.indexOf(0, space);
    if (space < 0 || end < 0 || end + 21 > body.length) throw new Error("a tree is damaged");
    const mode = body.toString("latin1", at, space);
    const name = body.toString("utf8", space + 1, end);
    entries.push({ mode, name, sha: body.toString("hex", end + 1, end + 21) });
    at = end + 21;
  }
  return entries;
}
