import type { AgentTestEvent, AgentTestIntroduction, AgentTestResult } from "@wharf/contract";
import { formatCount, formatDuration, formatInteger } from "./numbers.ts";
import { formatProblem } from "./problem.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

const phaseTexts = {
  queue: "waits for a slot",
  provision: "creates the runner",
  connect: "connects to the runner",
  agent: "starts the agent",
  answer: "prompts the agent",
  turn: "waits for the end of its turn",
} as const satisfies Record<Extract<AgentTestEvent, { type: "phase" }>["phase"], string>;

const maxChoices = 10;

/** Formats a step when it has ended, and the result of a test. */
export function formatAgentTestEvent(event: AgentTestEvent, style: Style): string {
  if (event.type === "result") return formatResult(event, style);
  const { phase, status, elapsed_ms: elapsedMs = 0 } = event;
  if (status === "started") return "";
  const mark = status === "done" ? style.green("✓") : style.red("✗");
  return `${mark} ${phaseTexts[phase].padEnd(30)} ${style.dim(formatDuration(elapsedMs))}\n`;
}

function formatResult({ ok, elapsed_ms, agent, answer, usage, error, output }: AgentTestResult, style: Style): string {
  const { model_requests: requests, input_tokens: input, output_tokens: outputTokens } = usage;
  const tokens = `${formatCount(requests, "model request")}, ${formatInteger(input)} tokens in, ${formatInteger(outputTokens)} out`;
  const lines = [
    ...(agent ? formatIntroduction(agent) : []),
    ...(answer === "" ? [] : [`answer    ${toSafeText(answer).replaceAll("\n", "\n          ")}`]),
    `used      ${tokens}`,
    ...(ok || output.length === 0 ? [] : ["output", ...output.map((line) => `  ${toSingleLine(line, 500)}`)]),
  ];
  const verdict = error
    ? formatProblem({ detail: error.message, next: error.next }, style)
    : `${style.green("✓")} The agent works: ${formatDuration(elapsed_ms)}.\n`;
  return `\n${lines.join("\n")}\n\n${verdict}`;
}

function formatIntroduction({
  name,
  version,
  protocol,
  protocol_version,
  handshake_ms,
  modes,
  models,
}: AgentTestIntroduction): string[] {
  const program = [name, version].filter((one) => one !== undefined).join(" ");
  const handshake = handshake_ms === undefined ? "" : `, first answer after ${formatDuration(handshake_ms)}`;
  return [
    ...(program === "" ? [] : [`agent     ${toSingleLine(program, 200)}`]),
    `protocol  ${[protocol, protocol_version].filter((one) => one !== undefined).join(" ")}${handshake}`,
    ...(modes.length === 0 ? [] : [`modes     ${formatChoices(modes)}`]),
    ...(models.length === 0 ? [] : [`models    ${formatChoices(models)}`]),
  ];
}

function formatChoices(choices: readonly { readonly id: string }[]): string {
  const rest = choices.length - maxChoices;
  const ids = choices.slice(0, maxChoices).map(({ id }) => toSingleLine(id, 100));
  return [...ids, ...(rest > 0 ? [`and ${rest} more`] : [])].join(", ");
}
