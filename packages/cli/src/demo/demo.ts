import { pathToFileURL } from "node:url";
import { api } from "@wharf/contract";
import { type Cli, jsonLine } from "../cli.ts";
import { Exit } from "../failure.ts";
import type { Interrupts } from "../interrupts.ts";
import { patchText } from "../render/diff.ts";
import { usageText } from "../render/event-line.ts";
import { unsafeWarning } from "../render/isolation.ts";
import { duration } from "../render/numbers.ts";
import { exitCodeOf, exitCodes } from "../turn/outcome.ts";
import type { Summary } from "../turn/summary.ts";
import { watchTurn } from "../turn/watch-turn.ts";
import { type Branch, SampleRepository } from "./sample-repository.ts";
import { reportText, runSampleTests } from "./sample-tests.ts";
import { Stage } from "./stage.ts";

export interface DemoOptions {
  /** Goes on serving at the end, and keeps all folders. */
  readonly keep: boolean;
  readonly interrupts: Interrupts;
}

const title = "Mend the failing test";
const prompt = "A test of this library fails. Find out why, mend it, and see that all tests pass.";

/**
 * The whole way once, with nothing but this machine: a server with its own database, a repository, a task, an agent in a
 * sandbox, a branch. Whatever happens on the way, what was begun is ended; only the sample stays, for a look at its branch.
 */
export class Demo {
  readonly #cli: Cli;
  readonly #options: DemoOptions;
  readonly #began = performance.now();
  #step = 0;

  constructor(cli: Cli, options: DemoOptions) {
    this.#cli = cli;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { style } = this.#cli.terminal;
    this.#say(
      `${style.bold("Wharf, from a task to a branch.")} Offline and without a key: the agent is a script in place of a\nmodel, and says so. All the rest is real: server, database, sandbox, git, tests.\n`,
    );
    this.#begin("A server, with a PostgreSQL of its own");
    await using stage = await Stage.open(this.#cli.settings.environment);
    this.#options.interrupts.signal.throwIfAborted();
    const info = await stage.client.call(api.serverInfo, {});
    this.#say(`   ${stage.url}   ${style.dim(`up after ${this.#elapsed()}`)}\n${unsafeWarning(info, style)}`);

    const sample = await this.#makeSample(stage.sample);
    const summary = await this.#work(stage, info);
    const branch = await this.#broughtBack(sample, summary);
    await this.#show(sample, branch, summary);
    if (this.#options.keep) await this.#stay(stage, summary);
    else await this.#leave(stage, summary);
  }

  async #makeSample(folder: string): Promise<SampleRepository> {
    this.#begin("A repository with a test that fails");
    const sample = new SampleRepository(folder);
    await sample.create();
    const before = await runSampleTests(sample.folder, this.#options.interrupts.signal);
    this.#say(
      `   ${sample.folder}\n   its tests: ${this.#cli.terminal.style.red(reportText(before))} (${before.failures.join(", ")})\n`,
    );
    if (before.failed === 0) throw new Error("the sample's tests pass before anything was done");
    return sample;
  }

  async #work(stage: Stage, info: { default_board_id: string; isolation: string }): Promise<Summary> {
    const { interrupts } = this.#options;
    const { signal } = interrupts;
    const { client } = stage;
    const board = await client.call(api.getBoard, { params: { board_id: info.default_board_id } }, { signal });
    const body = {
      title,
      description: prompt,
      repository_url: stage.sample,
      agent_type: "demo",
      permission_policy: "allow-all" as const,
    };
    const task = await client.call(api.createTask, { params: { board_id: board.id }, body }, { signal });
    this.#begin(
      `A task on the board "${board.name}", and an agent at work on it in a ${info.isolation === "unsafe" ? "plain process" : "sandbox"}`,
    );
    this.#say(`   "${prompt}"\n\n`);
    const { turn_id } = await client.call(api.startTask, { params: { task_id: task.id } }, { signal });
    return watchTurn({ ...this.#cli, client }, { task, turnId: turn_id, after: 0, interrupts });
  }

  /** The branch, as the repository itself has it. */
  async #broughtBack(sample: SampleRepository, { outcome, task }: Summary): Promise<Branch> {
    this.#options.interrupts.signal.throwIfAborted();
    const { style } = this.#cli.terminal;
    const branch = await sample.branch(task.shadow_branch);
    const code = exitCodeOf(outcome);
    if (code === 0 && branch !== undefined) return branch;
    const why = outcome.failure?.message ?? outcome.push_message ?? outcome.reason ?? "no branch came back";
    this.#cli.terminal.err(
      `\n${style.red("✗")} The demonstration did not come to its end: ${why}\n${style.dim("→")} ${outcome.failure?.next ?? "`wharf doctor` says what may be missing here."}\n`,
    );
    throw new Exit(code === 0 ? exitCodes.wharfFailed : code);
  }

  async #show(sample: SampleRepository, branch: Branch, { outcome }: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    this.#begin("What it changed");
    this.#say(`\n${indented(patchText(await sample.patch(branch), style))}\n`);
    this.#begin("The branch that came back");
    this.#say(`   ${style.bold(branch.name)} at ${branch.sha.slice(0, 10)}, pushed to the repository\n`);
    await using copy = await sample.checkOut(branch);
    const after = await runSampleTests(copy.folder, this.#options.interrupts.signal);
    const passes = after.failed === 0 && after.passed > 0;
    this.#say(`   its tests: ${passes ? style.green(reportText(after)) : style.red(reportText(after))}\n`);
    this.#begin("What it used");
    this.#say(`   ${usageText(outcome.used)}\n`);
    if (!passes) throw new Exit(exitCodes.agentFailed);
  }

  /** Ends by itself; what there is to look at stays. */
  async #leave(stage: Stage, summary: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    const { shadow_branch: branch } = summary.task;
    await stage.end("sample");
    if (this.#cli.settings.json) return this.#tellResult(stage, summary);
    this.#say(`
${style.green("✓")} ${style.bold(`Done in ${this.#elapsed()}.`)} Server, database and sandbox are gone again; the sample stays:

   ${style.cyan(pathToFileURL(stage.sample).href)}
   git -C ${stage.sample} show ${branch}

   With a repository of yours: wharf run "what to do" --repo <path or URL>
`);
  }

  /** Serves until it is interrupted, for a look around. */
  async #stay(stage: Stage, summary: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    const { interrupts } = this.#options;
    const { signal } = interrupts;
    const { task } = summary;
    if (this.#cli.settings.json) this.#tellResult(stage, summary);
    this.#say(`
${style.green("✓")} ${style.bold(`Done in ${this.#elapsed()}.`)} The server goes on until Ctrl-C; all that was made stays in ${stage.home}

   ${style.cyan(`${stage.url}/api/v1/tasks/${task.id}`)}
   curl -H "Authorization: Bearer $(cat ${stage.dataFolder}/owner-token)" ${stage.url}/api/v1/tasks/${task.id}
   WHARF_DATA=${stage.dataFolder} wharf task show ${task.id.slice(0, 8)}
   git -C ${stage.sample} show ${task.shadow_branch}
`);
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await stage.end("all");
  }

  #tellResult(stage: Stage, { task, outcome }: Summary): void {
    const { commit, used } = outcome;
    this.#cli.terminal.out(
      jsonLine({
        type: "summary",
        exit_code: 0,
        task_id: task.id,
        branch: task.shadow_branch,
        commit: commit?.sha,
        repository: stage.sample,
        usage: used,
      }),
    );
  }

  #begin(heading: string): void {
    const { style } = this.#cli.terminal;
    this.#say(`\n${style.bold(`${++this.#step}  ${heading}`)}\n`);
  }

  #say(text: string): void {
    if (!this.#cli.settings.json) this.#cli.terminal.out(text);
  }

  #elapsed(): string {
    return duration(performance.now() - this.#began);
  }
}

const indented = (text: string): string => text.replaceAll(/^(?=.)/gm, "   ");
