import { randomBytes } from "node:crypto";
import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { WharfError } from "@wharf/contract";

/**
 * Git keeps the objects of a push in a separate folder, its quarantine, until the hook
 * `pre-receive` has agreed. The hook is a few lines of shell that ask the server over a channel
 * which git inherits: the hook sends the path of the quarantine, the server answers. Without the
 * channel or an answer the hook refuses.
 */
const hook = `#!/bin/sh
printf '%s\\n' "$GIT_QUARANTINE_PATH" >&3 && IFS= read -r answer <&3 || exit 1
[ "$answer" = ok ] && exit 0
printf 'wharf: %s\\n' "$answer" >&2
exit 1
`;

/** Returns the reason to reject the objects in a quarantine, if any. */
export type PushInspector = (quarantine: string) => Promise<string | undefined>;

/**
 * Writes the hook where it is missing. Fails if the hook is not executable, because git would skip
 * it.
 */
export async function prepareHooks(folder: string): Promise<string> {
  const path = join(folder, "pre-receive");
  if ((await readFile(path, "utf8").catch(() => undefined)) !== hook) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const fresh = `${path}-${randomBytes(4).toString("hex")}`;
    try {
      await writeFile(fresh, hook, { mode: 0o700 });
      await rename(fresh, path);
    } finally {
      await rm(fresh, { force: true });
    }
  }
  try {
    await access(path, constants.X_OK);
  } catch (cause) {
    const reason = `${path} checks pushes and cannot be executed; mount its file system without 'noexec'`;
    throw new WharfError("git_failed", { command: "receive-pack", reason }, { cause });
  }
  return folder;
}

const maxQuestionBytes = 8 * 1024;

/** Answers the hook's one question. */
export function answerHook(channel: Duplex, inspect: PushInspector): void {
  let question = "";
  const sendAnswer = (text: string) => channel.write(`${text.replaceAll(/\s+/g, " ")}\n`);
  channel.on("error", () => undefined);
  channel.setEncoding("utf8").on("data", (text: string) => {
    const isAsked = question.includes("\n");
    if (!isAsked) question = (question + text).slice(0, maxQuestionBytes);
    if (isAsked || !question.includes("\n")) return;
    inspect(question.trim()).then(
      (reason) => sendAnswer(reason ?? "ok"),
      () => sendAnswer("the server could not check the push"),
    );
  });
}
