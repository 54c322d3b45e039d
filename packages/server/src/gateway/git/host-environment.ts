import { toHostEnvironment } from "./environment.ts";
import { runGit } from "./run-git.ts";

/** Reads the environment of remote commands on first use, and again after a failure. */
export function createHostEnvironment(
  serverEnvironment: Readonly<Record<string, string>>,
): () => Promise<Readonly<Record<string, string>>> {
  let cachedEnvironment: Promise<Record<string, string>> | undefined;
  const readEnvironment = async () => toHostEnvironment(serverEnvironment, await readSshCommand(serverEnvironment));
  return () => {
    cachedEnvironment ??= readEnvironment().catch((error: unknown) => {
      cachedEnvironment = undefined;
      throw error;
    });
    return cachedEnvironment;
  };
}

/** Keeps the person's own ssh command; Wharf only adds options that prevent prompts. */
async function readSshCommand(serverEnvironment: Readonly<Record<string, string>>): Promise<string> {
  if (serverEnvironment["GIT_SSH_COMMAND"]) return serverEnvironment["GIT_SSH_COMMAND"];
  const result = await runGit(["config", "--global", "--get", "core.sshCommand"], {
    environment: toHostEnvironment(serverEnvironment, "ssh"),
  });
  return (result.code === 0 && result.stdout.trim()) || "ssh";
}
