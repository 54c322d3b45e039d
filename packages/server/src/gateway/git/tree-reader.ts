/**
 * The contents of one tree object: the number of files, and how often it contains each smaller
 * tree.
 */
export interface Tree {
  files: number;
  readonly folders: Map<string, number>;
}

export class TreeTooLargeError extends Error {}

const maxTreeBytes = 32 * 1024 * 1024;
const newline = 0x0a;
const treeMode = "40000 ";

/** Parses the output of `git cat-file --batch` for tree ids. Leaves out missing objects. */
export class TreeReader {
  readonly trees = new Map<string, Tree>();
  #unparsed: Buffer = Buffer.alloc(0);
  #currentTree: { readonly id: string; readonly size: number } | undefined;
  /** Bytes of a tree that is not complete yet. */
  #pieces: Buffer[] = [];
  #length = 0;

  addChunk(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#length += chunk.length;
    // A large tree arrives in many chunks, which are joined once.
    if (this.#currentTree && this.#length <= this.#currentTree.size) return;
    this.#unparsed = Buffer.concat(this.#pieces);
    while (this.#currentTree ? this.#parseContent(this.#currentTree) : this.#parseHeader());
    this.#pieces = [this.#unparsed];
    this.#length = this.#unparsed.length;
  }

  #parseHeader(): boolean {
    const end = this.#unparsed.indexOf(newline);
    if (end < 0) return false;
    const [, id = "", size = ""] = /^([0-9a-f]+) tree (\d+)$/.exec(this.#unparsed.toString("latin1", 0, end)) ?? [];
    this.#unparsed = this.#unparsed.subarray(end + 1);
    if (Number(size) > maxTreeBytes) throw new TreeTooLargeError();
    if (id !== "") this.#currentTree = { id, size: Number(size) };
    return true;
  }

  #parseContent({ id, size }: { id: string; size: number }): boolean {
    if (this.#unparsed.length <= size) return false;
    this.trees.set(id, parseTree(this.#unparsed.subarray(0, size), id.length / 2));
    this.#unparsed = this.#unparsed.subarray(size + 1);
    this.#currentTree = undefined;
    return true;
  }
}

/** Parses entries `mode SP name NUL id`, with the id in bytes. */
function parseTree(content: Buffer, idBytes: number): Tree {
  const tree: Tree = { files: 0, folders: new Map() };
  for (let offset = 0; offset < content.length;) {
    const end = content.indexOf(0, offset);
    if (end < 0) break;
    if (content.toString("latin1", offset, offset + treeMode.length) === treeMode) {
      const id = content.toString("hex", end + 1, end + 1 + idBytes);
      tree.folders.set(id, (tree.folders.get(id) ?? 0) + 1);
    } else tree.files++;
    offset = end + 1 + idBytes;
  }
  return tree;
}
