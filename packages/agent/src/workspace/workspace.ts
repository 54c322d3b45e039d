import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { WharfError } from "@wharf/contract";
import type { Client } from "../acp/client.ts";
import { confinePath } from "./confine-path.ts";

const maxFileBytes = 10_000_000;

/** The files an agent works on: all beneath one root, through the client where it owns them, else from the disk. */
export class Workspace {
  readonly root: string;
  readonly #client: Client;

  constructor(root: string, client: Client) {
    this.root = root;
    this.#client = client;
  }

  /** The absolute path of something in the workspace. */
  resolvePath(path: string): Promise<string> {
    return confinePath(this.root, path);
  }

  /** As people would name it. */
  toDisplayPath(path: string): string {
    return relative(this.root, path) || ".";
  }

  /** The file's text, or undefined where there is none: clients may answer "" for a file that is missing. */
  async readIfExists(path: string): Promise<string | undefined> {
    const file = await this.resolvePath(path);
    const stats = await stat(file).catch(() => undefined);
    if (stats?.isDirectory())
      throw new WharfError("bad_request", { issues: [{ path: "path", message: `'${path}' is a folder` }] });
    if (stats && stats.size > maxFileBytes) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    if (this.#client.canRead) {
      const text = await this.#client.readText(file).catch((error: unknown) => {
        if (stats) throw error;
        return "";
      });
      return text === "" && !stats ? undefined : text;
    }
    return stats && (await readFile(file, "utf8"));
  }

  async read(path: string): Promise<string> {
    const text = await this.readIfExists(path);
    if (text === undefined) throw new WharfError("not_found", { what: "file", id: path });
    return text;
  }

  async write(path: string, text: string): Promise<void> {
    const file = await this.resolvePath(path);
    if (this.#client.canWrite) return this.#client.writeText(file, text);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
