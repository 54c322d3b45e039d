import { randomBytes } from "node:crypto";

/**
 * A file that is being written is next to the file it replaces, under a name of this form. Such
 * files belong to no change: listings, the watcher and commits leave them out.
 */
const temporaryPattern = /^(?:.*\/)?\.wharf-[0-9a-f]{16}\.tmp$/s;

/** Expresses the same pattern as a git ignore rule. */
export const temporaryRule = `.wharf-${"?".repeat(16)}.tmp`;

const activeNames = new Set<string>();

/** Creates a new name; disposal releases it. */
export function createTemporaryName(): Disposable & { readonly name: string } {
  const name = `.wharf-${randomBytes(8).toString("hex")}.tmp`;
  activeNames.add(name);
  return { name, [Symbol.dispose]: () => void activeNames.delete(name) };
}

/** Returns whether a path's last name has the form. */
export const isTemporary = (path: string): boolean => temporaryPattern.test(path);

/**
 * Returns whether a name has the form and is not in use by this process: a killed daemon left the
 * file behind.
 */
export const isLeftover = (name: string): boolean => isTemporary(name) && !activeNames.has(name);
