import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { gitEnvironment } from "../git/command.ts";
import { AnswerReader } from "./answers.ts";

const ANSWER_WITHIN = 5_000; // ms without any answer
const STARTS = 8; // of git for one question: it ends at a path it does not like

interface CheckIgnoreOptions {
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly answerWithinMs?: number;
}

/** One `git check-ignore` that stays and is asked again and again. It keeps the rules it has read. */
export class CheckIgnore {
  readonly #options: CheckIgnoreOptions;
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: CheckIgnoreOptions) {
    this.#options = options;
  }

  ignored(paths: readonly string[]): Promise<Set<string>> {
    const answer = this.#queue.then(() => this.#ask(paths));
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  async #ask(paths: readonly string[]): Promise<Set<string>> {
    const ignored = new Set<string>();
    let answered = 0;
    for (let starts = 0; answered < paths.length && starts < STARTS && !this.#closed; starts++) {
      const { count, late } = await this.#answers(paths.slice(answered), ignored);
      // A pipe in the place of a .gitignore holds git up for ever.
      if (late) break;
      // git ended at the next one; it is passed over.
      answered += count + 1;
    }
    return ignored;
  }

  /** How many were answered before git ended, or all. */
  #answers(paths: readonly string[], ignored: Set<string>): Promise<{ count: number; late: boolean }> {
    const child = this.#start();
    const reader = new AnswerReader();
    return new Promise((resolve) => {
      let answered = 0;
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        this.#end();
      }, this.#options.answerWithinMs ?? ANSWER_WITHIN);
      const finish = (): void => {
        clearTimeout(timer);
        child.stdout.off("data", read).off("close", finish);
        if (answered < paths.length) this.#end();
        resolve({ count: answered, late });
      };
      const read = (text: string): void => {
        timer.refresh();
        for (const answer of reader.read(text)) {
          if (answer.ignored) ignored.add(answer.path.slice("./".length));
          answered++;
        }
        if (answered >= paths.length) finish();
      };
      child.stdout.on("data", read).on("close", finish);
      child.stdin.write(paths.map((path) => `./${path}\0`).join(""));
    });
  }

  #start(): ChildProcessByStdio<Writable, Readable, null> {
    if (this.#child) return this.#child;
    const args = ["check-ignore", "--stdin", "-z", "--verbose", "--non-matching", "--no-index"];
    const child = spawn("git", args, {
      cwd: this.#options.cwd,
      // It refuses to take paths literally; one that begins with `./` is no pattern either.
      env: gitEnvironment({ ...this.#options.environment, GIT_LITERAL_PATHSPECS: "0" }),
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

  #end(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
