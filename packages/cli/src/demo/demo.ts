import { pathToFileURL } from "node:url";
import { api } from "@wharf/contract";
import { type Cli, toJsonLine } from "../cli.ts";
import { Exit } from "../failure.ts";
import type { Interrupts } from "../interrupts.ts";
import { formatPatch } from "../render/diff.ts";
import { formatUsage } from "../render/event-line.ts";
import { formatUnsafeWarning } from "../render/isolation.ts";
import { formatDuration } from "../render/numbers.ts";
import { getTaskBoardId } from "../tasks/find-board.ts";
import { getExitCode, exitCodes } from "../turn/outcome.ts";
import { watchTurn } from "../turn/show-turn.ts";
import type { Summary } from "../turn/summary.ts";
import { DemoServer } from "./demo-server.ts";
import { type Branch, SampleRepository } from "./sample-repository.ts";
import { formatReport, runSampleTests } from "./sample-tests.ts";

export interface DemoOptions {
  /** Keeps all folders, and serves until Ctrl-C also without a terminal. */
  readonly keep: boolean;
  readonly interrupts: Interrupts;
}

const title = "Fix the failing test";
const prompt = "A test of this library fails. Find the cause, fix it, and check that all tests pass.";

/**
 * Demonstrates the complete workflow on this machine alone: a server with its own database, a
 * repository, a task, an agent in a sandbox, a branch. Everything that was started is stopped even
 * after a failure; only the sample stays, so that the user can look at its branch.
 */
export class Demo {
  readonly #cli: Cli;
  readonly #options: DemoOptions;
  readonly #startedAt = performance.now();
  #step = 0;

  constructor(cli: Cli, options: DemoOptions) {
    this.#cli = cli;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { style } = this.#cli.terminal;
    this.#print(
      `${style.bold("Wharf, from a task to a branch.")} Offline and without an API key: a script replaces the model.\nEverything else is real: server, database, sandbox, git, tests.\n`,
    );
    this.#printHeading("A server with its own PostgreSQL");
    await using stage = await DemoServer.open(this.#cli.settings.environment);
    this.#options.interrupts.signal.throwIfAborted();
    const info = await stage.client.call(api.serverInfo, {});
    this.#print(
      `   ${stage.url}   ${style.dim(`started in ${this.#getElapsedTime()}`)}\n${formatUnsafeWarning(info, style)}`,
    );

    const sample = await this.#createSample(stage.sample);
    const summary = await this.#runTask(stage, info);
    const branch = await this.#getBranch(sample, summary);
    await this.#showResult(sample, branch, summary);
    const { terminal, settings } = this.#cli;
    if (this.#options.keep || (terminal.isInteractive && !settings.json)) await this.#serve(stage, summary);
    if (!this.#options.keep) await this.#finish(stage, summary);
  }

  async #createSample(folder: string): Promise<SampleRepository> {
    this.#printHeading("A repository with a failing test");
    const sample = new SampleRepository(folder);
    await sample.create();
    const initialReport = await runSampleTests(sample.folder, this.#options.interrupts.signal);
    this.#print(
      `   ${sample.folder}\n   tests: ${this.#cli.terminal.style.red(formatReport(initialReport))} (${initialReport.failures.join(", ")})\n`,
    );
    if (initialReport.failed === 0)
      throw new Error("the tests of the sample pass before the agent has changed anything");
    return sample;
  }

  async #runTask(stage: DemoServer, info: { isolation: string }): Promise<Summary> {
    const { interrupts } = this.#options;
    const { signal } = interrupts;
    const { client } = stage;
    const boardId = await getTaskBoardId(client, undefined, signal);
    const board = await client.call(api.getBoard, { params: { board_id: boardId } }, { signal });
    const body = {
      title,
      description: prompt,
      repository_url: stage.sample,
      agent_type: "demo",
      permission_policy: "allow-all" as const,
    };
    const task = await client.call(api.createTask, { params: { board_id: board.id }, body }, { signal });
    this.#printHeading(
      `A task on the board "${board.name}", and an agent in a ${info.isolation === "unsafe" ? "plain process" : "sandbox"}`,
    );
    this.#print(`   "${prompt}"\n\n`);
    const { turn_id } = await client.call(api.startTask, { params: { task_id: task.id } }, { signal });
    return watchTurn({ ...this.#cli, client }, { task, turnId: turn_id, after: 0, interrupts });
  }

  /** Reads the branch from the repository itself. */
  async #getBranch(sample: SampleRepository, { outcome, task }: Summary): Promise<Branch> {
    this.#options.interrupts.signal.throwIfAborted();
    const { style } = this.#cli.terminal;
    const branch = await sample.getBranch(task.shadow_branch);
    const code = getExitCode(outcome);
    if (code === 0 && branch !== undefined) return branch;
    const why = outcome.failure?.message ?? outcome.push_message ?? outcome.reason ?? "no branch was pushed";
    this.#cli.terminal.err(
      `\n${style.red("✗")} The demo failed: ${why}\n${style.dim("→")} ${outcome.failure?.next ?? "Run `wharf doctor` to see what is missing."}\n`,
    );
    throw new Exit(code === 0 ? exitCodes.wharfFailed : code);
  }

  async #showResult(sample: SampleRepository, branch: Branch, { outcome }: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    this.#printHeading("The change");
    this.#print(`\n${indent(formatPatch(await sample.getPatch(branch), style))}\n`);
    this.#printHeading("The pushed branch");
    this.#print(`   ${style.bold(branch.name)} at ${branch.sha.slice(0, 10)} in the repository\n`);
    await using copy = await sample.checkOut(branch);
    const finalReport = await runSampleTests(copy.folder, this.#options.interrupts.signal);
    const passes = finalReport.failed === 0 && finalReport.passed > 0;
    this.#print(
      `   tests: ${passes ? style.green(formatReport(finalReport)) : style.red(formatReport(finalReport))}\n`,
    );
    this.#printHeading("The resources used");
    this.#print(`   ${formatUsage(outcome.used)}\n`);
    if (!passes) throw new Exit(exitCodes.agentFailed);
  }

  /** Serves until it is interrupted, so that the user can look at the task in a browser. */
  async #serve(stage: DemoServer, summary: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    const { keep, interrupts } = this.#options;
    const { signal } = interrupts;
    const { id } = summary.task;
    if (this.#cli.settings.json) this.#printResult(stage, summary);
    const { path } = await stage.client.call(api.createOwnLink, { body: { kind: "login" } });
    const keptFiles = `All files are kept in ${stage.home}

   curl -H "Authorization: Bearer $(cat ${stage.dataFolder}/owner-token)" ${stage.url}/api/v1/tasks/${id}
   WHARF_DATA=${stage.dataFolder} wharf task show ${id.slice(0, 8)}
`;
    this.#print(`
${style.green("✓")} ${style.bold(`Done in ${this.#getElapsedTime()}.`)} The task in your browser, until Ctrl-C:

   ${style.cyan(`${stage.url}${path}?page=/tasks/${id}`)}
${keep ? `\n${keptFiles}` : ""}`);
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    if (keep) await stage.end("all");
  }

  /** Stops the server; the sample stays for inspection. */
  async #finish(stage: DemoServer, summary: Summary): Promise<void> {
    const { style } = this.#cli.terminal;
    const { shadow_branch: branch } = summary.task;
    await stage.end("sample");
    if (this.#cli.settings.json) return this.#printResult(stage, summary);
    this.#print(`
${style.green("✓")} ${style.bold(`Done in ${this.#getElapsedTime()}.`)} Server, database and sandbox are removed. The sample repository is kept:

   ${style.cyan(pathToFileURL(stage.sample).href)}
   git -C ${stage.sample} show ${branch}

   With your own repository: wharf run "<prompt>" --repo <path or URL>
`);
  }

  #printResult(stage: DemoServer, { task, outcome }: Summary): void {
    const { commit, used: usageTotals } = outcome;
    this.#cli.terminal.out(
      toJsonLine({
        type: "summary",
        exit_code: 0,
        task_id: task.id,
        branch: task.shadow_branch,
        commit: commit?.sha,
        repository: stage.sample,
        usage: usageTotals,
      }),
    );
  }

  #printHeading(heading: string): void {
    const { style } = this.#cli.terminal;
    this.#print(`\n${style.bold(`${++this.#step}  ${heading}`)}\n`);
  }

  #print(text: string): void {
    if (!this.#cli.settings.json) this.#cli.terminal.out(text);
  }

  #getElapsedTime(): string {
    return formatDuration(performance.now() - this.#startedAt);
  }
}

const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, "   ");
