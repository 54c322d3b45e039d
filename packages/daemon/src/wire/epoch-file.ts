import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../file-system/files.ts";
import { readStateFile, setAside } from "../file-system/state-file.ts";
import { parseJson } from "../std/parse-json.ts";

const maxBytes = 100;
const Epoch = z.int().min(0);

/**
 * Stores the highest epoch seen on disk, so that the next daemon also refuses a server that lost
 * its lease.
 */
export class EpochFile {
  readonly #path: string;

  constructor(state: string) {
    this.#path = join(state, "wire-epoch");
  }

  /** Returns 0 if no epoch was stored or the file is damaged. */
  async read(): Promise<number> {
    const file = await readStateFile(this.#path, maxBytes);
    if (file.kind === "unusable") await setAside(this.#path);
    return file.kind === "read" ? (Epoch.safeParse(parseJson(file.content.toString())).data ?? 0) : 0;
  }

  write(epoch: number): Promise<void> {
    return replaceFile(this.#path, String(epoch));
  }
}
