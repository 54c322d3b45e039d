import { randomBytes } from "node:crypto";

/**
 * Files that are being written stand beside the file they will replace, under a name of this form. They are nobody's work:
 * no listing, no watcher and no commit shows them.
 */
const temporaryPattern = /^(?:.*\/)?\.wharf-[0-9a-f]{16}\.tmp$/s;

/** The same as a rule of git's. */
export const temporaryRule = `.wharf-${"?".repeat(16)}.tmp`;

const activeNames = new Set<string>();

/** A new name, and its end. */
export function createTemporaryName(): Disposable & { readonly name: string } {
  const name = `.wharf-${randomBytes(8).toString("hex")}.tmp`;
  activeNames.add(name);
  return { name, [Symbol.dispose]: () => void activeNames.delete(name) };
}

/** Whether a path's last name has the form. */
export const isTemporary = (path: string): boolean => temporaryPattern.test(path);

/** Whether a name has the form, and this process does not write under it: a daemon that was killed left it behind. */
export const isLeftover = (name: string): boolean => isTemporary(name) && !activeNames.has(name);
