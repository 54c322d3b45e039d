import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { getGitEnvironment } from "../git/command.ts";
import { CheckIgnoreParser } from "./check-ignore-parser.ts";

// git may take this long between answers.
const answerTimeoutMs = 5_000;
// git exits at a path that it rejects, so a request may start git this often.
const maxStarts = 8;

interface CheckIgnoreOptions {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly answerTimeoutMs?: number;
}

/**
 * Keeps one `git check-ignore` process for many requests. The process caches the rules that it has
 * read.
 */
export class CheckIgnore {
  readonly #options: CheckIgnoreOptions;
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: CheckIgnoreOptions) {
    this.#options = options;
  }

  getIgnoredPaths(paths: readonly string[]): Promise<Set<string>> {
    const answer = this.#queue.then(() => this.#queryGit(paths));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#killChild();
  }

  async #queryGit(paths: readonly string[]): Promise<Set<string>> {
    const ignored = new Set<string>();
    let answeredCount = 0;
    for (let starts = 0; answeredCount < paths.length && starts < maxStarts && !this.#closed; starts++) {
      const { count, hasTimedOut } = await this.#readAnswers(paths.slice(answeredCount), ignored);
      // A pipe in place of a .gitignore blocks git indefinitely.
      if (hasTimedOut) break;
      // git exited at the next path, so skip that path.
      answeredCount += count + 1;
    }
    return ignored;
  }

  /** Counts the paths that were answered, which are fewer than all if git exits early. */
  #readAnswers(paths: readonly string[], ignored: Set<string>): Promise<{ count: number; hasTimedOut: boolean }> {
    const child = this.#getChild();
    const reader = new CheckIgnoreParser();
    return new Promise((resolve) => {
      let answeredCount = 0;
      let hasTimedOut = false;
      const timer = setTimeout(() => {
        hasTimedOut = true;
        this.#killChild();
      }, this.#options.answerTimeoutMs ?? answerTimeoutMs);
      const resolveAnswers = (): void => {
        clearTimeout(timer);
        child.stdout.off("data", handleText).off("close", resolveAnswers);
        if (answeredCount < paths.length) this.#killChild();
        resolve({ count: answeredCount, hasTimedOut });
      };
      const handleText = (text: string): void => {
        timer.refresh();
        for (const answer of reader.parse(text)) {
          if (answer.ignored) ignored.add(answer.path.slice("./".length));
          answeredCount++;
        }
        if (answeredCount >= paths.length) resolveAnswers();
      };
      child.stdout.on("data", handleText).on("close", resolveAnswers);
      child.stdin.write(paths.map((path) => `./${path}\0`).join(""));
    });
  }

  #getChild(): ChildProcessByStdio<Writable, Readable, null> {
    if (this.#child) return this.#child;
    const args = ["check-ignore", "--stdin", "-z", "--verbose", "--non-matching", "--no-index"];
    const child = spawn("git", args, {
      cwd: this.#options.cwd,
      // `check-ignore` rejects literal pathspecs; a path that begins with `./` is no pattern
      // either.
      env: getGitEnvironment({ ...this.#options.environment, GIT_LITERAL_PATHSPECS: "0" }),
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.on("error", () => undefined);
    child.stdin.on("error", () => undefined);
    child.stdout.setEncoding("utf8").on("close", () => {
      if (this.#child === child) this.#child = undefined;
    });
    this.#child = child;
    return child;
  }

  #killChild(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
