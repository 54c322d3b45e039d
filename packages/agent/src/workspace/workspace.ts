import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { WharfError } from "@wharf/contract";
import type { Client } from "../client.ts";
import { confinePath } from "./confine-path.ts";

const maxFileBytes = 10_000_000;

/**
 * Accesses an agent's files, all inside one root: through the client if the client owns them,
 * otherwise on disk.
 */
export class Workspace {
  readonly root: string;
  readonly #client: Client;

  constructor(root: string, client: Client) {
    this.root = root;
    this.#client = client;
  }

  /** Returns the absolute path of a workspace entry. */
  resolvePath(path: string): Promise<string> {
    return confinePath(this.root, path);
  }

  /** Returns the path relative to the workspace, for display. */
  toDisplayPath(path: string): string {
    return relative(this.root, path) || ".";
  }

  /**
   * Returns the file's text, or undefined if it is missing: clients may answer "" for a missing
   * file.
   */
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
    if (text === undefined) throw new WharfError("file_not_found", { path });
    return text;
  }

  async write(path: string, text: string): Promise<void> {
    const file = await this.resolvePath(path);
    if (this.#client.canWrite) return this.#client.writeText(file, text);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
