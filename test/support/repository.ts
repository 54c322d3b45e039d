import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Runs git in a folder without the machine's configuration, and returns its output. */
export function git(folder: string, ...args: string[]): string {
  const env = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  const identity = ["-c", "user.name=Tester", "-c", "user.email=tester@localhost"];
  return execFileSync("git", [...identity, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

/** Creates a repository on disk with one commit on `main`. */
export function createRepository(
  folder: string,
  files: Record<string, string> = { "README.md": "# A sample\n" },
): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  git(folder, "init", "--quiet", "--initial-branch=main");
  git(folder, "add", ".");
  git(folder, "commit", "--quiet", "--message=First");
  return folder;
}
