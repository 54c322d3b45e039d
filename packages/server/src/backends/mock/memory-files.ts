import { posix } from "node:path";
import { type FsChangeType, WharfError } from "@wharf/contract";

export const workspacePath = "/workspace";

export interface MemoryFile {
  readonly bytes: Buffer;
  /** As git writes it. */
  readonly mode: "100644" | "100755" | "120000";
  readonly modifiedAt: Date;
}

export interface Child {
  readonly name: string;
  readonly isFolder: boolean;
}

/** A folder of files in memory, by their paths beneath it. Links are kept for git and lead nowhere. */
export class MemoryFiles {
  readonly #files = new Map<string, MemoryFile>();
  readonly #folders = new Set<string>();
  #bytes = 0;
  /** Told of each change, with the file's or folder's path. */
  onChange: ((type: FsChangeType, path: string) => void) | undefined;
  readonly #capacity: number;

  constructor(capacityBytes: number) {
    this.#capacity = capacityBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The path beneath the folder, without dots; the empty one is the folder itself. */
  resolve(path: string, from = ""): string {
    const absolute = posix.resolve(workspacePath, from, path);
    if (absolute === workspacePath) return "";
    if (!absolute.startsWith(`${workspacePath}/`)) throw new WharfError("path_outside", { path });
    return absolute.slice(workspacePath.length + 1);
  }

  read(path: string): MemoryFile {
    const file = this.#files.get(path);
    if (!file) throw new WharfError("not_found", { what: "file", id: path });
    return file;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  write(path: string, bytes: Uint8Array, mode?: MemoryFile["mode"]): void {
    if (path === "" || this.isFolder(path))
      throw new WharfError("conflict", { what: "path", from: "a folder", to: "a file" });
    for (let at = posix.dirname(path); at !== "."; at = posix.dirname(at))
      if (this.#files.has(at)) throw new WharfError("conflict", { what: "path", from: "a file", to: "a folder" });
    const before = this.#files.get(path);
    const grown = this.#bytes + bytes.length - (before?.bytes.length ?? 0);
    if (grown > this.#capacity) throw new WharfError("disk_full", { path });
    this.#bytes = grown;
    const kept = mode ?? before?.mode ?? "100644";
    this.#files.set(path, { bytes: Buffer.from(bytes), mode: kept, modifiedAt: new Date() });
    this.onChange?.(before ? "file-modified" : "file-created", path);
  }

  makeFolder(path: string): void {
    if (this.#files.has(path)) throw new WharfError("conflict", { what: "path", from: "a file", to: "a folder" });
    if (this.isFolder(path)) return;
    this.#folders.add(path);
    this.onChange?.("directory-created", path);
  }

  /** Refuses what no write could keep, before it is collected for one. */
  requireRoom(bytes: number, path: string): void {
    if (bytes > this.#capacity) throw new WharfError("disk_full", { path });
  }

  /** A file, or a folder with all that is in it. Whether there was any. */
  remove(path: string): boolean {
    const gone = [...this.#files].filter(([name]) => name === path || name.startsWith(`${path}/`) || path === "");
    for (const [name, { bytes }] of gone) {
      this.#files.delete(name);
      this.#bytes -= bytes.length;
      this.onChange?.("file-deleted", name);
    }
    const folders = [...this.#folders].filter((name) => name === path || name.startsWith(`${path}/`) || path === "");
    for (const name of folders) {
      this.#folders.delete(name);
      this.onChange?.("directory-deleted", name);
    }
    return gone.length + folders.length > 0;
  }

  isFolder(path: string): boolean {
    if (path === "" || this.#folders.has(path)) return true;
    const inside = (name: string) => name.startsWith(`${path}/`);
    return [...this.#files.keys()].some(inside) || [...this.#folders].some(inside);
  }

  list(path: string): Child[] {
    if (!this.isFolder(path)) throw new WharfError("not_found", { what: "folder", id: path });
    const prefix = path === "" ? "" : `${path}/`;
    const children = new Map<string, boolean>();
    const see = (name: string, folder: boolean) => {
      if (!name.startsWith(prefix) || name === path) return;
      const [child = "", ...rest] = name.slice(prefix.length).split("/");
      children.set(child, (children.get(child) ?? false) || folder || rest.length > 0);
    };
    for (const name of this.#files.keys()) see(name, false);
    for (const name of this.#folders) see(name, true);
    return [...children].map(([name, isFolder]) => ({ name, isFolder })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  entries(): IterableIterator<[string, MemoryFile]> {
    return this.#files.entries();
  }
}
