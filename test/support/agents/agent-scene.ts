import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api, type Task } from "@wharf/contract";
import { expect } from "vitest";
import { CanaryHosts } from "../canaries/canary-hosts.ts";
import { createCanary } from "../canaries/canary.ts";
import { findInDatabase, findInFiles, findInGit, findInTexts, openDatabase } from "../canaries/leaks.ts";
import { PlantedCanary, plantedPlaces, shortenPlaces } from "../canaries/planted-canary.ts";
import { searchScript } from "../canaries/search-script.ts";
import { createRepository } from "../repository.ts";
import { RunnerCommands } from "../runner-commands.ts";
import type { ServerHarness } from "../server-harness.ts";
import { Conversation } from "./conversation.ts";
import { AgentModels } from "./models.ts";
import type { RealAgent } from "./real-agents.ts";
import { addWordsServer } from "./words.ts";

export interface AgentWork {
  /** Whether the agent uses the MCP server of `words.ts`. */
  readonly words?: boolean;
  /** Searches the task's runner for canaries, from outside. */
  readonly searchRunner: (runnerId: string) => Promise<string[]>;
}

/**
 * Real agents on one server, whose keys for models, git hosts and registries are canaries. Each
 * agent uses the keys of its model, of a git host and of every registry.
 */
export class AgentScene implements AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #models: AgentModels;
  readonly #hosts: CanaryHosts;
  readonly #tasks: Task[] = [];

  private constructor(folder: string, models: AgentModels, hosts: CanaryHosts) {
    this.#folder = folder;
    this.#models = models;
    this.#hosts = hosts;
    // The more the server logs, the more there is to search.
    this.environment = { ...models.environment, ...hosts.environment, LOG_LEVEL: "debug" };
  }

  /** The secrets and the repositories are in the folder, outside the server's data. */
  static async start(folder: string): Promise<AgentScene> {
    return new AgentScene(folder, await AgentModels.start(folder), await CanaryHosts.start(folder));
  }

  /** The tasks on which agents worked. */
  get tasks(): readonly Task[] {
    return this.#tasks;
  }

  /**
   * Has an agent work, be cancelled and remember. In the middle of its turn, a search of its runner
   * finds what is planted there and nothing else.
   */
  async work(wharf: ServerHarness, agent: RealAgent, { words = true, searchRunner }: AgentWork): Promise<Task> {
    const path = join("remotes", `${agent.name}-${agent.policy}`);
    const remote = createRepository(join(this.#folder, path), searchScript);
    const host = this.#hosts.git[this.#tasks.length % this.#hosts.git.length]!;
    if (words) await addWordsServer(wharf, agent);
    const setting = { models: this.#models, agent, remote, address: `${host.url}/${path}`, words };
    const conversation = new Conversation(wharf, setting);
    const countRequests = () => [host.requests, ...this.#hosts.registries.map(({ answered }) => answered)];
    const earlier = countRequests();
    await conversation.work();
    expect(countRequests().filter((count, index) => count <= (earlier[index] ?? 0))).toEqual([]);
    this.#tasks.push(conversation.task);

    const params = { task_id: conversation.task.id };
    const { agents } = await wharf.client.call(api.listTaskAgents, { params });
    const id = agents[0]?.runner_id ?? "none";
    await conversation.cancel(async () => {
      await using _planted = await PlantedCanary.plant(new RunnerCommands(wharf), { id });
      expect(shortenPlaces(await searchRunner(id))).toEqual(plantedPlaces);
    });
    await conversation.remember();
    return conversation.task;
  }

  /**
   * Searches what the server keeps, logs and delivers: its database and all other files of its
   * data folder, its log, the events and transcripts of the tasks, and the repositories. The search
   * finds what is planted there and nothing else.
   */
  async expectNoKeysAround(wharf: ServerHarness): Promise<void> {
    const canary = createCanary("planted");
    const remotes = join(this.#folder, "remotes");
    const [repository = ""] = readdirSync(remotes);
    const log = { log: wharf.log, "planted log": canary };
    const texts = Object.assign(log, ...(await Promise.all(this.#tasks.map((task) => readTranscripts(wharf, task)))));
    expect(await findInDatabase(wharf.data)).toEqual([]);
    writeFileSync(join(wharf.data, "planted.txt"), canary);
    execFileSync("git", ["hash-object", "-w", "--stdin"], { cwd: join(remotes, repository), input: canary });
    const places = [
      ...findInTexts(texts),
      ...[wharf.data, remotes].flatMap((path) => [...findInFiles(path), ...findInGit(path)]),
    ];
    expect(shortenPlaces(places)).toEqual(["file planted.txt", `git ${repository}`, "text planted log"]);
    await using database = await openDatabase(wharf.data);
    await database.query(`create table planted as select '${canary}' as key`);
    expect(await findInDatabase(wharf.data)).toEqual(["table public.planted"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#models[Symbol.asyncDispose]();
    await this.#hosts[Symbol.asyncDispose]();
  }
}

/** Returns a task's events, and its transcript as people read it. */
async function readTranscripts(wharf: ServerHarness, { id }: Task): Promise<Record<string, string>> {
  const { stdout } = await wharf.cli("task", "logs", id);
  expect(stdout).toContain("All done.");
  return { [`events of ${id}`]: JSON.stringify(await wharf.events(id)), [`transcript of ${id}`]: stdout };
}
