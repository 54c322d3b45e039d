import { methods } from "@agentclientprotocol/sdk";
import {
  parseModels,
  parseModes,
  type OfferedChoice,
  parseSessionOptions,
  type SessionOption,
  WharfError,
} from "@wharf/contract";

/**
 * The protocol dropped this method when models became options; agents that list models still
 * support it.
 */
const setModelMethod = "session/set_model";

/** An error names at most this many of an agent's modes or models. */
const maxNamed = 12;

/** The agent sends these fields when a session opens; they are not yet parsed. */
interface SessionOffer {
  modes?: unknown;
  models?: unknown;
  configOptions?: unknown;
}

interface ChoiceRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
}

export class SessionChoices {
  readonly #modes: readonly OfferedChoice[] | undefined;
  readonly #models: readonly OfferedChoice[] | undefined;
  #options: readonly SessionOption[] = [];

  constructor({ modes, models, configOptions }: SessionOffer) {
    this.#modes = parseModes(modes);
    this.#models = parseModels(models);
    this.setOptions(configOptions);
  }

  /** Replaces the agent's options: an update always lists all of them. */
  setOptions(configOptions: unknown): void {
    this.#options = parseSessionOptions(configOptions);
  }

  getModeRequest(id: string): ChoiceRequest {
    if (this.#modes)
      return requireOffered("mode", id, this.#modes, { method: methods.agent.session.setMode, params: { modeId: id } });
    return this.#getOptionRequest("mode", id);
  }

  getModelRequest(id: string): ChoiceRequest {
    if (this.#models && !this.#options.some(({ category }) => category === "model"))
      return requireOffered("model", id, this.#models, { method: setModelMethod, params: { modelId: id } });
    return this.#getOptionRequest("model", id);
  }

  #getOptionRequest(what: "mode" | "model", id: string): ChoiceRequest {
    const option = this.#options.find(({ category }) => category === what);
    if (!option) throw new WharfError("choice_unavailable", { what, id: id.slice(0, 100), offered: "" });
    const params = { configId: option.id, value: id };
    return requireOffered(what, id, option.options, { method: methods.agent.session.setConfigOption, params });
  }
}

function requireOffered(
  what: "mode" | "model",
  id: string,
  offered: readonly OfferedChoice[],
  choice: ChoiceRequest,
): ChoiceRequest {
  if (offered.some((one) => one.id === id)) return choice;
  const names = offered.slice(0, maxNamed).map((one) => one.id.slice(0, 100));
  const moreNames = offered.length > maxNamed ? [`${offered.length - maxNamed} more`] : [];
  throw new WharfError("choice_unavailable", {
    what,
    id: id.slice(0, 100),
    offered: [...names, ...moreNames].join(", "),
  });
}
