import { holdFolder } from "../support/beneath.ts";
import { IgnoreRules } from "../support/ignore-rules.ts";
import { rulesOf, textOf } from "./walk.ts";

/** What git ignores in a workspace, by path. Each folder's rules are read once. */
export class IgnoreLookup {
  readonly #workspace: string;
  readonly #rules = new Map<string, Promise<IgnoreRules>>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** The rules that hold for the entries of a folder (`` for the workspace). */
  rulesIn(folder: string): Promise<IgnoreRules> {
    let rules = this.#rules.get(folder);
    if (!rules) this.#rules.set(folder, (rules = this.#read(folder)));
    return rules;
  }

  /** The rules of the folders above one. */
  rulesAbove(folder: string): Promise<IgnoreRules> {
    return folder === "" ? this.#excludes() : this.rulesIn(parentOf(folder));
  }

  /** Whether a file beneath a folder is ignored, or a folder between the two. */
  async ignores(path: string, beneath: string): Promise<boolean> {
    const names = path.split("/");
    for (let depth = beneath === "" ? 1 : beneath.split("/").length + 1; depth <= names.length; depth++) {
      const at = names.slice(0, depth).join("/");
      if ((await this.rulesIn(parentOf(at))).ignores(at, depth < names.length)) return true;
    }
    return false;
  }

  async #read(folder: string): Promise<IgnoreRules> {
    const above = await this.rulesAbove(folder);
    try {
      await using held = await holdFolder(this.#workspace, folder || ".");
      return await rulesOf(held, folder, above);
    } catch {
      // A folder that is gone has no rules.
      return above;
    }
  }

  async #excludes(): Promise<IgnoreRules> {
    try {
      await using info = await holdFolder(this.#workspace, ".git/info");
      return IgnoreRules.parse((await textOf(info, "exclude")) ?? "");
    } catch {
      return IgnoreRules.parse("");
    }
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
