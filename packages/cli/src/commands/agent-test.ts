import { AgentTestEvent, AgentTestInput, api, WharfError } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples } from "../help/examples.ts";
import { createIntegerSchema } from "../input/option-values.ts";
import { readPromptText } from "../input/prompt-text.ts";
import { Interrupts } from "../interrupts.ts";
import { formatAgentTestEvent } from "../render/agent-test.ts";
import { readPieces, requestStream } from "../runner/request.ts";
import { findBoard } from "../tasks/find-board.ts";
import { exitCodes } from "../turn/outcome.ts";

const maxLineBytes = 2 << 20;
const maxPromptLength = 20_000; // characters
const maxTimeoutSeconds = 900;

const TestOptions = z.object({
  prompt: AgentTestInput.shape.prompt.unwrap().optional(),
  file: z.string().optional(),
  board: z.string().optional(),
  timeout: createIntegerSchema({ min: 1, max: maxTimeoutSeconds }),
});

type TestResult = Extract<AgentTestEvent, { type: "result" }>;

/** The steps in which a failure is the agent's. */
const agentPhases: ReadonlySet<string> = new Set(["agent", "answer", "turn"]);

export function addAgentTest(group: Command, register: RegisterCommand): void {
  const command = group
    .command("test")
    .summary("Test an agent")
    .description(
      "Start an agent in a new runner with an empty workspace, prompt it once, and show how long each step takes. The runner is always destroyed. With --json each line is a step, and the last one the result.",
    )
    .argument("<name>", "name of the agent")
    .option("-p, --prompt <text>", "text of the prompt, or - for stdin (default: asks for the word OK)")
    .option("-f, --file <path>", "read the prompt from a local file")
    .option("--board <board>", "board whose limits and budgets apply (default: the oldest that you may change)")
    .option("-t, --timeout <seconds>", "time limit of the test; at most 900", "180");
  register(
    addExamples(command, ["wharf agent-types test claude", "wharf agent-types test goose -t 60 --json"]),
    TestOptions,
    testAgent,
  );
}

async function testAgent(cli: Cli, { args, options }: CommandLineInput<z.infer<typeof TestOptions>>): Promise<number> {
  const { client, settings, terminal } = cli;
  const [typeId = ""] = args;
  const prompt = await readPromptText(cli, { text: options.prompt, file: options.file, max: maxPromptLength });
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const boardId = options.board === undefined ? undefined : (await findBoard(client, options.board)).id;
  const body = {
    timeout_s: options.timeout,
    ...(prompt !== undefined && { prompt }),
    ...(boardId !== undefined && { board_id: boardId }),
  };
  const check = () => client.call(api.getAgentType, { params: { type_id: typeId } }, { signal });
  const answer = await requestStream(
    client.locate,
    api.testAgentType,
    { params: { type_id: typeId }, body },
    { signal, check },
  );
  for await (const line of readNdjsonLines(readPieces(answer, signal), maxLineBytes)) {
    const event = AgentTestEvent.parse(JSON.parse(line));
    terminal.out(settings.json ? toJsonLine(event) : formatAgentTestEvent(event, terminal.style));
    if (event.type === "result") return getExitCode(event);
  }
  throw new WharfError("server_unreachable", {
    url: answer.serverName,
    reason: "the connection broke, so the result of the test is unknown",
  });
}

/** Returns 0 if the agent works, 1 if the agent failed, and 2 if Wharf could not start it. */
function getExitCode({ ok, phases }: TestResult): number {
  if (ok) return exitCodes.done;
  const failed = phases.find(({ status }) => status === "failed");
  return failed && agentPhases.has(failed.phase) ? exitCodes.agentFailed : exitCodes.wharfFailed;
}
