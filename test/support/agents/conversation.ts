import { api, type Event, type PermissionPolicy, type Task } from "@wharf/contract";
import { expect } from "vitest";
import { fetched, searchCommand } from "../canaries/search-script.ts";
import { type ModelServer, toPrompt } from "../models/index.ts";
import { git } from "../repository.ts";
import { isPushed, getAgentText, type ServerHarness } from "../server-harness.ts";
import { answerUntilEnd, getData } from "./answers.ts";
import type { AgentModels } from "./models.ts";
import type { RealAgent } from "./real-agents.ts";
import { reversed, sayReversed } from "./words.ts";

const patience = 60_000; // ms

/** The kinds of work that need a permission under each policy. */
const askedKinds: Readonly<Record<PermissionPolicy, readonly string[]>> = {
  ask: ["edit", "execute"],
  "allow-edits": ["execute"],
  "allow-all": [],
};

interface Setting {
  readonly models: AgentModels;
  readonly agent: RealAgent;
  /** The folder of the repository, which contains `searchScript`. */
  readonly remote: string;
  readonly address: string;
  /** Whether the agent's type has the MCP server of `words.ts`. */
  readonly words?: boolean;
}

/** A conversation with a real agent: turns in which the agent works, is cancelled and remembers. */
export class Conversation {
  readonly #wharf: ServerHarness;
  readonly #models: AgentModels;
  readonly #agent: RealAgent;
  readonly #remote: string;
  readonly #address: string;
  readonly #words: boolean;
  readonly greeting: string;
  #task: Task | undefined;

  constructor(wharf: ServerHarness, { models, agent, remote, address, words = false }: Setting) {
    this.#wharf = wharf;
    this.#models = models;
    this.#agent = agent;
    this.#remote = remote;
    this.#address = address;
    this.#words = words && agent.mcp !== undefined;
    this.greeting = `hello from ${agent.name} under ${agent.policy}`;
  }

  get #model(): ModelServer {
    return this.#models.servers[this.#agent.route];
  }

  get task(): Task {
    if (!this.#task) throw new Error("the conversation has not begun");
    return this.#task;
  }

  /**
   * Checks that the agent streams, writes a file, runs a command, and asks first if its policy
   * requires it; its branch is pushed. The agent's shell fetches from
   * each registry and finds no key.
   */
  async work(): Promise<void> {
    const { name: agent_type, policy, showsOutput } = this.#agent;
    const fields = { repository_url: this.#address, agent_type, permission_policy: policy };
    this.#task = await this.#wharf.createTask(fields);
    const earlier = this.#model.requests.length;
    this.#models.closeGate();
    const turn = await this.#wharf.prompt(
      this.task,
      toPrompt("The word is quince.", [
        { hold: "These words are streamed: their beginning is read before their end is sent." },
        ...(this.#agent.plans ? [{ plan: `Greet ${this.#agent.name}` }] : []),
        ...(this.#words ? [sayReversed] : []),
        { write: "hello.txt", content: `${this.greeting}\n` },
        { run: searchCommand },
        { say: "All done." },
      ]),
    );
    await this.#wharf.until(this.task.id, hasText("These"), patience);
    this.#models.openGate();
    const asked = await answerUntilEnd(this.#wharf, this.task, turn.id);
    const events = await this.#wharf.until(this.task.id, isPushed, patience);
    expect(getAgentText(events)).toContain("All done.");
    expect(git(this.#remote, "show", `${this.task.shadow_branch}:hello.txt`)).toBe(this.greeting);

    const calls = getData(events, "tool_call");
    const getKinds = (some: typeof calls) => new Set(some.flatMap(({ tool_kind }) => tool_kind ?? []));
    expect([...getKinds(calls)]).toEqual(expect.arrayContaining(["edit", "execute"]));
    const askedFor = calls.filter((call) => asked.some(({ tool_call_id }) => tool_call_id === call.tool_call_id));
    const kindsAsked = [...getKinds(askedFor)].filter((kind) => kind === "edit" || kind === "execute");
    expect(kindsAsked.toSorted()).toEqual(askedKinds[policy]);
    if (policy === "allow-all") expect(asked).toEqual([]);
    const planned = getData(events, "plan").flatMap(({ entries }) => entries.map(({ content }) => content));
    expect([...new Set(planned)]).toEqual(this.#agent.plans ? [`Greet ${this.#agent.name}`] : []);
    const shown = JSON.stringify(calls.map(({ content, raw_output }) => ({ content, raw_output })));
    expect(shown.includes("SEARCHED")).toBe(showsOutput);

    const requests = this.#model.requests.slice(earlier);
    const results = requests.flatMap((request) => request.toolResults ?? []);
    const searched = results.find((result) => result.includes("SEARCHED"));
    expect(searched?.replaceAll("\\n", "\n")).toMatch(fetched);
    expect(searched).toMatch(/(^|\D)0\s*\\?n?\s*SEARCHED/);
    if (this.#words) expect(results.join()).toContain(reversed);
    expect(requests.filter(({ status }) => status === 401)).toEqual([]);
    const usage = getData(events, "usage").filter(({ source }) => source === "gateway");
    expect(usage.length).toBeGreaterThanOrEqual(3);
  }

  /**
   * Sets another mode and model, then cancels the agent once it begins to answer. Before that,
   * `whileWorking` looks at the agent in the middle of its turn.
   */
  async cancel(whileWorking: () => Promise<void>): Promise<void> {
    const { otherMode, otherModel } = this.#agent;
    const params = { task_id: this.task.id };
    if (otherModel) await this.#wharf.client.call(api.setTaskModel, { params, body: { model_id: otherModel } });
    await this.#wharf.client.call(api.setTaskMode, { params, body: { mode_id: otherMode } });
    this.#models.closeGate();
    const steps = [{ hold: "This is never finished: it is cancelled in the middle." }];
    const { id: turn_id } = await this.#wharf.prompt(this.task, toPrompt("Go on.", steps));
    await this.#wharf.until(this.task.id, hasText("This"), patience);
    const asked = this.#model.requests.findLast(
      ({ tools = [], prompt = "" }) => tools.length > 0 && prompt.includes("Go on."),
    );
    expect(asked?.model).toContain(otherModel ?? "");
    await whileWorking();
    await this.#wharf.client.call(api.cancelTurn, { params: { ...params, turn_id } });
    const isCancelled = ({ data }: Event) =>
      data.kind === "turn" && data.turn_id === turn_id && data.status === "cancelled";
    await this.#wharf.until(this.task.id, isCancelled, patience);
  }

  /** Checks that the agent recalls the first turn of the same conversation. */
  async remember(): Promise<void> {
    const events = await this.#wharf.turn(this.task, toPrompt("What was it?", [{ recall: "The word is" }]));
    expect(getAgentText(events)).toContain("The word is quince.");
    const sessions = getData(await this.#wharf.events(this.task.id), "session");
    expect(sessions.at(-1)).toMatchObject({ mode: this.#agent.otherMode });
    expect(new Set(sessions.map(({ session_id }) => session_id)).size).toBe(1);
  }
}

const hasText =
  (word: string) =>
  ({ data }: Event): boolean =>
    data.kind === "message" && data.role === "agent" && data.text.includes(word);
