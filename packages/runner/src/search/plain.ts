import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { openTree, type TreeEntry } from "../files/index.ts";
import { MOST_BEGIN, MOST_FILE, type Locator } from "./locator.ts";
import { serveMatches, type MatchAnswer, type MatchSetup } from "./match-worker.ts";
import { expressionOf } from "./pattern.ts";

const AT_ONCE = 64; // files

/** Reads every file and matches it in a thread, where there is no program for it. */
export const locateByReading: Locator = async function* ({ workspace, input, leaveOut, signal }) {
  const { path, gitignore, limit } = input;
  const out = (entry: TreeEntry): boolean => entry.name === ".git" || leaveOut(entry);
  await using tree = await openTree(workspace, { path, gitignore, leaveOut: out, signal });
  const most = { mostLines: limit + 1, mostBegin: MOST_BEGIN, mostFile: MOST_FILE };
  await using matcher = new Matcher({ ...expressionOf(input), ...most }, signal);
  const seen = { tooLarge: false };
  for await (const { folder, entries, cut } of tree.folders()) {
    seen.tooLarge ||= cut;
    const files = entries.filter(({ type }) => type === "file");
    for (let at = 0; at < files.length; at += AT_ONCE) {
      const some = files.slice(at, at + AT_ONCE);
      const found = await matcher.match(some.map(({ name }) => folder.at(name)));
      for (const [index, { path }] of some.entries()) {
        const lines = found[index] ?? [];
        if (lines === "too large") seen.tooLarge = true;
        else if (lines.length > 0) yield { path, lines };
      }
    }
  }
  return seen;
};

/** The thread that reads and matches. It ends with the signal, also in the middle of a regular expression. */
class Matcher implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #end = () => void this.#worker.terminate();

  constructor(setup: MatchSetup, signal: AbortSignal) {
    this.#worker = new Worker(`(${serveMatches.toString()})()`, {
      eval: true,
      workerData: setup,
      env: {},
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on("error", () => undefined);
    this.#signal = signal;
    signal.addEventListener("abort", this.#end, { once: true });
    if (signal.aborted) this.#end();
  }

  async match(paths: readonly string[]): Promise<MatchAnswer> {
    const answered = once(this.#worker, "message", { signal: this.#signal });
    this.#worker.postMessage(paths);
    const [answer] = await answered;
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#end);
    await this.#worker.terminate();
  }
}
