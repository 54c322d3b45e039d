import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { RunnerCommands } from "../runner-commands.ts";
import { createCanary } from "./canary.ts";

/** The places of a planted canary, as a search reports them without their folders. */
export const plantedPlaces: readonly string[] = ["file planted.txt", "git workspace", "process environ"];

/** Shortens what a search reports: the search sees a runner's folders from another side. */
export const shortenPlaces = (places: readonly string[]): string[] =>
  places.map((place) => place.replace(/ .*\//, " ")).toSorted();

/**
 * A canary in a runner: in a file, in an object of the workspace's repository and in the
 * environment of a process. Its disposal removes all of them.
 */
export class PlantedCanary implements AsyncDisposable {
  readonly #runners: RunnerCommands;
  readonly #runner: { readonly id: string };
  readonly #process: ChildProcess;
  readonly #traces: string;

  private constructor(runners: RunnerCommands, runner: { readonly id: string }, process: ChildProcess, traces: string) {
    this.#runners = runners;
    this.#runner = runner;
    this.#process = process;
    this.#traces = traces;
  }

  static async plant(runners: RunnerCommands, runner: { readonly id: string }): Promise<PlantedCanary> {
    const canary = createCanary("planted");
    const half = Math.floor(canary.length / 2);
    // The command itself contains no canary.
    const script = `canary=$(printf %s%s ${canary.slice(0, half)} ${canary.slice(half)})
      echo "$canary" >~/planted.txt
      cd /workspace && object=$(echo "$canary" | git hash-object -w --stdin)
      echo "$$ $object"
      CANARY="$canary" exec sleep 600`;
    const child = runners.spawn(["exec", runner.id.slice(0, 8), "--", script]);
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout! }), "line"),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`planting exited with ${code}`))),
    ]);
    const [pid = "", object = ""] = String(line).split(" ");
    const traces = `kill ${pid}; rm -f ~/planted.txt /workspace/.git/objects/${object.slice(0, 2)}/${object.slice(2)}`;
    return new PlantedCanary(runners, runner, child, traces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = once(this.#process, "exit");
    await this.#runners.exec(this.#runner, this.#traces);
    await isOver;
  }
}
