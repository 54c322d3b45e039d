import { RequestError } from "@agentclientprotocol/sdk";
import { z } from "zod";

/**
 * These schemas parse only the parts of an agent's answers that Wharf uses. Answers may contain
 * more, and no part is trusted unparsed.
 */

const AgentWord = z.string().max(200).optional().catch(undefined);

export const Initialized = z.object({
  protocolVersion: z.number(),
  agentInfo: z.object({ name: AgentWord, title: AgentWord, version: AgentWord }).nullish().catch(undefined),
  agentCapabilities: z
    .object({
      loadSession: z.boolean().catch(false),
      sessionCapabilities: z
        .object({ resume: z.looseObject({}).nullish().catch(undefined) })
        .nullish()
        .catch(undefined),
      mcpCapabilities: z
        .object({ http: z.boolean().catch(false) })
        .nullish()
        .catch(undefined),
      promptCapabilities: z
        .object({ image: z.boolean().catch(false), embeddedContext: z.boolean().catch(false) })
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
});
export type AgentCapabilities = z.infer<typeof Initialized>["agentCapabilities"];
export const Opened = z.object({
  modes: z.object({ currentModeId: z.string() }).loose().nullish().catch(undefined),
  models: z.object({ currentModelId: z.string() }).loose().nullish().catch(undefined),
  configOptions: z.array(z.unknown()).nullish().catch(undefined),
});
export const NewSession = Opened.extend({ sessionId: z.string().min(1).max(200) });
export const OptionsSet = z.object({ configOptions: z.array(z.unknown()).optional().catch(undefined) }).nullish();
const Count = z.number().min(0).optional().catch(undefined);
export const Prompted = z.object({
  stopReason: z.string().max(100),
  usage: z.object({ inputTokens: Count, outputTokens: Count }).loose().nullish().catch(undefined),
});

const Details = z.union([
  z.string(),
  z.object({ details: z.string() }).transform((data) => data.details),
  z.object({ message: z.string() }).transform((data) => data.message),
]);

/** Returns the agent's own reason for a refusal. */
export function getRefusalReason(error: RequestError): string {
  const details = Details.safeParse(error.data).data;
  const words =
    details === undefined || error.message.includes(details) ? error.message : `${error.message}: ${details}`;
  return words.slice(0, 2_000);
}
