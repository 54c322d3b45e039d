import { GitUserEmail, GitUserName } from "@wharf/contract";
import { toHostEnvironment } from "./environment.ts";
import { runGit } from "./run-git.ts";

export interface GitAuthor {
  readonly name: string;
  readonly email: string;
}

/** Returns the author that the git configuration of the server's user names, if it is complete. */
export async function readHostAuthor(
  serverEnvironment: Readonly<Record<string, string>>,
): Promise<GitAuthor | undefined> {
  const args = ["config", "--global", "--null", "--get-regexp", "^user\\.(name|email)$"];
  const { code, stdout } = await runGit(args, { environment: toHostEnvironment(serverEnvironment, "ssh") });
  if (code !== 0) return undefined;
  const values = new Map(
    stdout.split("\0").map((entry) => {
      const [name = "", ...value] = entry.split("\n");
      return [name, value.join("\n")] as const;
    }),
  );
  const name = GitUserName.safeParse(values.get("user.name"));
  const email = GitUserEmail.safeParse(values.get("user.email"));
  return name.success && email.success ? { name: name.data, email: email.data } : undefined;
}
