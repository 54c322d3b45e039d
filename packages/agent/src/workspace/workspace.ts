import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { WharfError } from "@wharf/contract";
import type { Client } from "../acp/client.ts";
import { confine } from "./confine.ts";

const MAX_FILE_BYTES = 10_000_000;

/** The files an agent works on: all beneath one root, through the client where it owns them, else from the disk. */
export class Workspace {
  readonly root: string;
  readonly #client: Client;

  constructor(root: string, client: Client) {
    this.root = root;
    this.#client = client;
  }

  /** The absolute path of something in the workspace. */
  locate(path: string): Promise<string> {
    return confine(this.root, path);
  }

  /** As people would name it. */
  name(path: string): string {
    return relative(this.root, path) || ".";
  }

  /** The file's text, or undefined where there is none: clients may answer "" for a file that is missing. */
  async readIfThere(path: string): Promise<string | undefined> {
    const file = await this.locate(path);
    const stats = await stat(file).catch(() => undefined);
    if (stats?.isDirectory())
      throw new WharfError("bad_request", { issues: [{ path: "path", message: `'${path}' is a folder` }] });
    if (stats && stats.size > MAX_FILE_BYTES)
      throw new WharfError("file_too_large", { path, limit_bytes: MAX_FILE_BYTES });
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
    const text = await this.readIfThere(path);
    if (text === undefined) throw new WharfError("not_found", { what: "file", id: path });
    return text;
  }

  async write(path: string, text: string): Promise<void> {
    const file = await this.locate(path);
    if (this.#client.canWrite) return this.#client.writeText(file, text);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
