import { rmSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addAskingAgent } from "./support/agents/asking-agent.ts";
import { type ModelServer, type Script, startAnthropic, startGemini, startOpenai } from "./support/models/index.ts";
import { git, createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/**
 * Reads the file, fixes it, runs the test and reports; the content must really come from the
 * workspace.
 */
const script: Script = ({ toolResults = [], prompt = "" }) => {
  const status = /answer with (\d+)/.exec(prompt)?.[1];
  if (status) return { status: Number(status), message: "As you wish.", headers: { "retry-after": "1" } };
  const seen = toolResults.join("\n");
  if (seen.includes("sum is right")) return { text: "The sum is fixed and its test passes." };
  if (seen.includes("a - b"))
    return { toolCalls: [{ name: "edit_file", args: { path: "sum.js", search: "a - b", replace: "a + b" } }] };
  if (seen.includes("sum is wrong")) return { text: "I could not fix it." };
  if (toolResults.length > 0) return { toolCalls: [{ name: "run_command", args: { command: "node test.js" } }] };
  if (prompt.includes("what did you do")) return { text: "As I said, the sum is fixed." };
  return { text: "I will look first.", toolCalls: [{ name: "read_file", args: { path: "sum.js" } }] };
};
const files = {
  "sum.js": "module.exports = (a, b) => a - b;\n",
  "test.js":
    "if (require('./sum.js')(2, 3) !== 5) { console.log('sum is wrong'); process.exit(1); }\nconsole.log('sum is right');\n",
};

const providers = [
  { name: "gemini", start: startGemini },
  { name: "anthropic", start: startAnthropic },
  { name: "openai", start: startOpenai },
] as const;

let folder: string;
let wharf: ServerHarness;
const models = new Map<string, ModelServer>();

beforeAll(async () => {
  folder = createScratchFolder();
  const environment: Record<string, string> = {};
  for (const { name, start } of providers) {
    const model = await start({ key: `real-${name}-key`, script });
    models.set(name, model);
    environment[`${name.toUpperCase()}_API_KEY`] = `real-${name}-key`;
    environment[`${name.toUpperCase()}_BASE_URL`] = model.url;
  }
  wharf = new ServerHarness(folder, environment);
  await wharf.start();
});

afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  for (const model of models.values()) await model.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("Wharf's own agent", () => {
  // The agent uses the run's token at the gateway, and the gateway adds the key outside.
  test.each(providers)("fixes a repository with a $name model through the gateway", async ({ name }) => {
    const type = await wharf.client.call(api.getAgentType, { params: { type_id: "wharf" } });
    const { command, environment_vars } = type;
    await wharf.client.call(api.createAgentType, {
      body: { name: `wharf-${name}`, command, environment_vars, model_route: name },
    });
    const remote = createRepository(join(folder, name), files);
    const task = await wharf.createTask({ title: "Fix the sum", repository_url: remote, agent_type: `wharf-${name}` });
    await wharf.prompt(task, "The sum is wrong. Fix it and run the test.");
    const events = await wharf.until(task.id, isPushed);
    expect(getAgentText(events)).toContain("The sum is fixed and its test passes.");
    expect(git(remote, "show", `${task.shadow_branch}:sum.js`)).toBe("module.exports = (a, b) => a + b;");
    const model = models.get(name)!;
    const used = async () =>
      (await wharf.events(task.id)).filter(({ data }) => data.kind === "usage" && data.source === "gateway").length;
    await expect.poll(used).toBe(model.requests.length);

    // A second prompt continues the same conversation.
    const again = await wharf.turn(task, "And what did you do?");
    expect(getAgentText(again)).toContain("As I said");
    expect(JSON.stringify(model.requests.at(-1)?.body)).toContain("Fix it and run the test.");
  });

  test("is refused by the gateway on another model route, and the turn reports why", async () => {
    const environment_vars = {
      WHARF_MODEL_PROVIDER: "openai",
      WHARF_MODEL_BASE_URL: "${WHARF_GATEWAY}/models/openai",
      WHARF_TOKEN: "${WHARF_TOKEN}",
    };
    await wharf.client.call(api.createAgentType, {
      body: { name: "astray", command: ["wharf-agent"], environment_vars, model_route: "gemini" },
    });
    const before = models.get("openai")!.requests.length;
    const task = await wharf.createTask({ repository_url: join(folder, "gemini"), agent_type: "astray" });
    const events = await wharf.turn(task, "Go");
    expect(events.some(({ data }) => data.kind === "turn" && data.stop_reason === "error")).toBe(true);
    const reason = "This run may not use the model route 'openai': its agent type's route is 'gemini'.";
    expect(JSON.stringify(events)).toContain(reason);
    expect(models.get("openai")!.requests).toHaveLength(before);
  });
});

describe("wharf run with a model that fails", () => {
  beforeAll(() => void createRepository(join(folder, "failing"), files));

  const run = async (agent: string, prompt: string) => {
    const options = ["--repo", join(folder, "failing"), "--agent", agent, "--policy", "allow-all"];
    const { code, stdout, stderr } = await wharf.cli("run", prompt, ...options);
    const id = /wharf task show (\w+)/.exec(stdout)?.[1] ?? "";
    const { state } = await wharf.client.call(api.getTask, { params: { task_id: id } });
    return { code, state, screen: `${stdout}${stderr}`, lines: stdout.split("\n") };
  };

  // The model asks to wait a second with each answer but 401, so the task is resumed by itself.
  test.each([
    {
      status: 401,
      line: "The model's server returned 401: it rejects GEMINI_API_KEY.",
      next: "Correct GEMINI_API_KEY in the server's environment and start it again.",
      endState: "FAILED",
    },
    {
      status: 429,
      line: `The model's server returned 429 (too many requests): "As you wish"; it asks to wait 1 s. Agents retry automatically.`,
      next: "Wait and prompt the task again, or check the quota and the credit of the provider's account.",
      endState: "BLOCKED",
    },
    {
      status: 500,
      line: `The model's server returned 500: "As you wish". Agents retry automatically.`,
      next: "The provider has to solve this. Prompt the task again later, or use another agent.",
      endState: "BLOCKED",
    },
  ])(
    "exits 1 and reports once that the model answers $status and what to do",
    async ({ status, line, next, endState }) => {
      const { code, state, screen, lines } = await run("wharf", `Please answer with ${status}.`);
      expect(screen).toContain(line);
      expect(lines.filter((one) => one.includes(`returned ${status}`))).toHaveLength(1);
      expect(screen).toContain(`→ ${next}`);
      expect([code, state]).toEqual([1, endState]);
    },
  );

  test("exits 1 if the agent ends its turn normally although no model answered", async () => {
    const agent = await addAskingAgent(wharf);
    const { code, state, screen } = await run(agent, "demo: model answer with 500\ndemo: say fine");
    expect(screen).toContain("fine");
    expect(screen).toContain("The agent failed: No model answered in this turn. The model's server returned 500");
    expect([code, state]).toEqual([1, "BLOCKED"]);
    const good = await run(agent, "demo: model answer with 500\ndemo: model what did you do");
    expect([good.code, good.state]).toEqual([0, "REVIEW"]);
    expect(good.screen).toContain("The model's server responds again.");
  });

  test("exits 1 if nothing listens at the model's address, and names the setting", async () => {
    const { url } = models.get("gemini")!;
    await models.get("gemini")!.close();
    const { code, state, screen } = await run("wharf", "Do something.");
    expect(screen).toContain(
      `The model's server at ${url} does not respond (connection refused). Check GEMINI_BASE_URL.`,
    );
    expect(screen).toContain("→ Check GEMINI_BASE_URL, and that the server can reach");
    expect([code, state]).toEqual([1, "FAILED"]);
  });
});
