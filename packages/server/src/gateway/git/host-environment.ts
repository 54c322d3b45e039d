import { hostEnvironment } from "./environment.ts";
import { runGit } from "./run.ts";

/** Reads the environment for what talks to remotes once it is needed, and again after a failure. */
export function createHostEnvironment(
  given: Readonly<Record<string, string>>,
): () => Promise<Readonly<Record<string, string>>> {
  let known: Promise<Record<string, string>> | undefined;
  const read = async () => hostEnvironment(given, await readSshCommand(given));
  return () => {
    known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

/** The person's own way to call ssh is kept; it is only told never to ask. */
async function readSshCommand(given: Readonly<Record<string, string>>): Promise<string> {
  if (given["GIT_SSH_COMMAND"]) return given["GIT_SSH_COMMAND"];
  const found = await runGit(["config", "--global", "--get", "core.sshCommand"], {
    environment: hostEnvironment(given, "ssh"),
  });
  return (found.code === 0 && found.stdout.trim()) || "ssh";
}
