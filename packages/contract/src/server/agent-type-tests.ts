import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { AgentProtocol } from "../states.ts";

/**
 * The test of an agent type: a task without a repository that Wharf creates, prompts once and
 * deletes with its runner. Everything else is as in any run: the queue and its limits, the backend,
 * the size, the image, the gateway, the login, and what is recorded of its use.
 */

/**
 * The steps of a test, in order. `queue`: until the run has a slot. `provision`: the runner is
 * created. `connect`: its daemon answers. `agent`: the agent starts and opens a session. `answer`:
 * from the prompt to the agent's first sign of life. `turn`: the rest, to the end of its turn.
 */
export const agentTestPhases = ["queue", "provision", "connect", "agent", "answer", "turn"] as const;
export const AgentTestPhase = z.enum(agentTestPhases);
export type AgentTestPhase = z.infer<typeof AgentTestPhase>;

const PhaseResult = z.object({
  phase: AgentTestPhase,
  status: z.enum(["done", "failed"]),
  elapsed_ms: z.number().int().min(0),
});

const Offer = z.array(z.object({ id: z.string(), name: z.string() })).describe("empty if there is nothing to choose");

/** What the agent says about itself. */
export const AgentTestIntroduction = z.object({
  protocol: AgentProtocol,
  protocol_version: z.number().optional().describe("the version of the protocol that both use, if it has versions"),
  name: z.string().optional(),
  version: z.string().optional(),
  handshake_ms: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe("from the start of the agent's process to its first answer; a part of the phase `agent`"),
  modes: Offer,
  models: Offer,
});
export type AgentTestIntroduction = z.infer<typeof AgentTestIntroduction>;

const usage = {
  model_requests: z.number().int().min(0).describe("requests for models through the gateway"),
  input_tokens: z.number().min(0),
  output_tokens: z.number().min(0),
};

export const AgentTestResult = z.object({
  type: z.literal("result"),
  ok: z.boolean().describe("whether the agent ended its turn normally"),
  elapsed_ms: z.number().int().min(0),
  phases: z.array(PhaseResult),
  agent: AgentTestIntroduction.optional().describe("absent if the agent did not start"),
  answer: z.string().describe("the beginning of the agent's answer"),
  usage: z.object(usage),
  error: z
    .object({ code: z.string(), message: z.string(), next: z.string() })
    .optional()
    .describe("why the test failed, and what to do"),
  output: z.array(z.string()).describe("the last lines that the agent printed besides its protocol"),
});
export type AgentTestResult = z.infer<typeof AgentTestResult>;

/** A line of the answer. The result is the last one; without it, nothing is known about the end. */
export const AgentTestEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("phase"),
    phase: AgentTestPhase,
    status: z.enum(["started", "done", "failed"]),
    elapsed_ms: z.number().int().min(0).optional().describe("absent when the phase begins"),
  }),
  AgentTestResult,
]);
export type AgentTestEvent = z.infer<typeof AgentTestEvent>;

export const defaultAgentTestPrompt = "Reply with the word OK. Use no tools and change no files.";

const timeoutSeconds = z.number().int().min(1).max(900);
export const AgentTestInput = z.object({
  prompt: z.string().trim().min(1).max(20_000).default(defaultAgentTestPrompt),
  board_id: z.uuid().optional().describe("whose limits and budgets apply. By default the oldest that you may change"),
  timeout_s: timeoutSeconds.default(180).describe("when the test ends at the latest"),
});
export type AgentTestInput = z.output<typeof AgentTestInput>;

export const agentTypeTestsApi = {
  testAgentType: createEndpoint({
    needs: "task:prompt",
    method: "POST",
    path: "/api/v1/agent-types/:type_id/test",
    summary:
      "Start an agent in a new runner with an empty workspace, prompt it once, and stream each step as NDJSON of AgentTestEvent, the result last. The runner is always destroyed, also when the caller disconnects",
    params: z.object({ type_id: z.string().min(1).max(100) }),
    body: AgentTestInput,
    response: "stream",
    line: AgentTestEvent,
    audit: "begun",
    errors: ["agent_type_unavailable", "board_not_found"],
  }),
} as const;
