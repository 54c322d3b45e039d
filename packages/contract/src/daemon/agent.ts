import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";

export * from "./attachments.ts";

/**
 * The agent routes that were added after the first ones: pausing the agent, and choosing how it
 * works.
 */

const choiceId = z.string().min(1).max(1_024);
const ok = z.object({ ok: z.literal(true) });

export const PauseState = z.object({
  /** New model requests are held back until the pending ones have ended. */
  pausing: z.boolean(),
  /** The agent's processes are frozen. */
  paused: z.boolean(),
});
export type PauseState = z.infer<typeof PauseState>;

export const agentApi = {
  pauseAgent: createEndpoint({
    method: "POST",
    path: "/agent/pause",
    summary:
      "Let no new model request out, wait for those that are out (30 s at most), then freeze the agent's processes. Answers when they are frozen, or soon with `pausing`; asked again it says how far it is",
    response: PauseState,
  }),
  resumeAgent: createEndpoint({
    method: "POST",
    path: "/agent/resume",
    summary: "Let the agent's processes and its model requests go on; one that is not paused stays as it is",
    response: PauseState,
  }),
  setMode: createEndpoint({
    method: "POST",
    path: "/agent/mode",
    summary: "Choose one of the modes the agent offers",
    body: z.object({ mode_id: choiceId }),
    response: ok,
  }),
  setModel: createEndpoint({
    method: "POST",
    path: "/agent/model",
    summary: "Choose one of the models the agent offers",
    body: z.object({ model_id: choiceId }),
    response: ok,
  }),
} as const;
