import type { Event } from "@wharf/client";
import { type OfferedChoice, parseModels, parseModes, parseSessionOptions } from "@wharf/contract/agent-info";
import { wharf } from "../api/index.ts";

export interface Choices {
  readonly offered: readonly OfferedChoice[];
  readonly current?: string | undefined;
}
export interface Offer {
  readonly mode: Choices;
  readonly model: Choices;
}

/** Reads the modes and models that the task's agent offered last. */
export async function readOffer(taskId: string, signal: AbortSignal): Promise<Offer> {
  let offer: Offer = { mode: { offered: [] }, model: { offered: [] } };
  for (let cursor: number | undefined = 0; cursor !== undefined;) {
    const query = { after: cursor, kind: ["agent_info", "session"], limit: 1_000 } as const;
    const page = await wharf.tasks.listTaskEvents(taskId, query, { signal });
    for (const { data } of page.events) offer = updateOffer(offer, data);
    cursor = page.next_after;
  }
  return offer;
}

function updateOffer({ mode, model }: Offer, data: Event["data"]): Offer {
  if (data.kind === "session")
    return {
      mode: { ...mode, current: data.mode ?? mode.current },
      model: { ...model, current: data.model ?? model.current },
    };
  if (data.kind !== "agent_info") return { mode, model };
  const info: Readonly<Record<string, unknown>> = { ...data };
  const options = parseSessionOptions(info["configOptions"] ?? info["config_options"]);
  const find = (category: string): Choices | undefined => {
    const option = options.find((one) => one.category === category);
    return option && { offered: option.options, current: option.currentValue };
  };
  const modes = parseModes(info["modes"]);
  const models = parseModels(info["models"]);
  return {
    mode: find("mode") ?? (modes ? { ...mode, offered: modes } : mode),
    model: find("model") ?? (models ? { ...model, offered: models } : model),
  };
}
