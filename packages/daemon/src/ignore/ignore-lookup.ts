import { openFolder } from "../file-system/rooted-path.ts";
import { IgnoreRules } from "./ignore-rules.ts";
import { readRuleFile, readRules } from "./read-rules.ts";

/**
 * IgnoreLookup checks which paths git ignores in a workspace. Each folder's rules are read once.
 */
export class IgnoreLookup {
  readonly #workspace: string;
  readonly #rules = new Map<string, Promise<IgnoreRules>>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** Returns the rules for the entries of a folder (`` for the workspace). */
  getRules(folder: string): Promise<IgnoreRules> {
    let rules = this.#rules.get(folder);
    if (!rules) this.#rules.set(folder, (rules = this.#readRules(folder)));
    return rules;
  }

  /** Returns the rules of a folder's parents. */
  getParentRules(folder: string): Promise<IgnoreRules> {
    return folder === "" ? this.#readExcludeFile() : this.getRules(getParent(folder));
  }

  /** Checks whether a file in a folder, or a folder between the two, is ignored. */
  async isIgnored(path: string, baseFolder: string): Promise<boolean> {
    const names = path.split("/");
    for (let depth = baseFolder === "" ? 1 : baseFolder.split("/").length + 1; depth <= names.length; depth++) {
      const currentPath = names.slice(0, depth).join("/");
      if ((await this.getRules(getParent(currentPath))).isIgnored(currentPath, depth < names.length)) return true;
    }
    return false;
  }

  async #readRules(folder: string): Promise<IgnoreRules> {
    const parentRules = await this.getParentRules(folder);
    try {
      await using folderHandle = await openFolder(this.#workspace, folder || ".");
      return await readRules(folderHandle, folder, parentRules);
    } catch {
      // A missing folder has no rules.
      return parentRules;
    }
  }

  async #readExcludeFile(): Promise<IgnoreRules> {
    try {
      await using info = await openFolder(this.#workspace, ".git/info");
      return IgnoreRules.parse((await readRuleFile(info, "exclude")) ?? "");
    } catch {
      return IgnoreRules.parse("");
    }
  }
}

const getParent = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));
