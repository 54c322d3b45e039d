import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { openTree, type TreeEntry } from "../files/index.ts";
import { maxBeginBytes, maxFileBytes, type Locator } from "./locator.ts";
import { serveMatches, type MatchResult, type MatchWorkerOptions } from "./match-worker.ts";
import { toExpression } from "./pattern.ts";

const filesPerBatch = 64;

/** Reads every file and matches it in a thread, if ripgrep is missing. */
export const locateByReading: Locator = async function* ({ workspace, input, leaveOut, signal }) {
  const { path, gitignore, limit } = input;
  const isExcluded = (entry: TreeEntry): boolean => entry.name === ".git" || leaveOut(entry);
  await using tree = await openTree(workspace, { path, gitignore, leaveOut: isExcluded, signal });
  const limits = { maxLines: limit + 1, maxBeginBytes: maxBeginBytes, maxFileBytes: maxFileBytes };
  await using matcher = new MatchThread({ ...toExpression(input), ...limits }, signal);
  const summary = { tooLarge: false };
  for await (const { folder, entries, cut } of tree.readFolders()) {
    summary.tooLarge ||= cut;
    const files = entries.filter(({ type }) => type === "file");
    for (let offset = 0; offset < files.length; offset += filesPerBatch) {
      const batch = files.slice(offset, offset + filesPerBatch);
      const results = await matcher.matchFiles(batch.map(({ name }) => folder.getEntryPath(name)));
      for (const [index, { path }] of batch.entries()) {
        const lines = results[index] ?? [];
        if (lines === "too large") summary.tooLarge = true;
        else if (lines.length > 0) yield { path, lines };
      }
    }
  }
  return summary;
};

/** MatchThread reads and matches. The signal stops it, even during a regular expression. */
class MatchThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #end = () => void this.#worker.terminate();

  constructor(setup: MatchWorkerOptions, signal: AbortSignal) {
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

  async matchFiles(paths: readonly string[]): Promise<MatchResult> {
    const reply = once(this.#worker, "message", { signal: this.#signal });
    this.#worker.postMessage(paths);
    const [answer] = await reply;
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#end);
    await this.#worker.terminate();
  }
}
