import { readWholeFile } from "../file-system/read-bounded.ts";
import { openRegularFile, type FolderHandle } from "../file-system/rooted-path.ts";
import { IgnoreRules } from "./ignore-rules.ts";

const maxRuleBytes = 1024 * 1024;

/** Returns a folder's rules: its .gitignore takes precedence over the parents' rules. */
export async function readRules(folder: FolderHandle, path: string, parentRules: IgnoreRules): Promise<IgnoreRules> {
  const text = await readRuleFile(folder, ".gitignore");
  return text === undefined ? parentRules : IgnoreRules.parse(text, path, parentRules);
}

export async function readRuleFile(folder: FolderHandle, name: string): Promise<string | undefined> {
  try {
    const { file } = await openRegularFile(folder, name);
    await using _ = file;
    return (await readWholeFile(file, maxRuleBytes))?.toString();
  } catch {
    // A missing or unreadable file contains no rules.
    return undefined;
  }
}
