import { methods } from "@agentclientprotocol/sdk";
import {
  listedModels,
  listedModes,
  type Offered,
  sessionOptions,
  type SessionOption,
  WharfError,
} from "@wharf/contract";

/** Left out of the protocol since models became options; agents that list models still know it. */
const setModel = "session/set_model";

/** How many of an agent's modes or models an error names. */
const maxNamed = 12;

/** As the agent said it. */
interface Offer {
  modes?: unknown;
  models?: unknown;
  configOptions?: unknown;
}

interface Choice {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
}

export class SessionChoices {
  readonly #modes: readonly Offered[] | undefined;
  readonly #models: readonly Offered[] | undefined;
  #options: readonly SessionOption[] = [];

  constructor({ modes, models, configOptions }: Offer) {
    this.#modes = listedModes(modes);
    this.#models = listedModels(models);
    this.offer(configOptions);
  }

  /** The agent's options have changed: it always tells all of them. */
  offer(configOptions: unknown): void {
    this.#options = sessionOptions(configOptions);
  }

  mode(id: string): Choice {
    if (this.#modes)
      return chosen("mode", id, this.#modes, { method: methods.agent.session.setMode, params: { modeId: id } });
    return this.#option("mode", id);
  }

  model(id: string): Choice {
    if (this.#models && !this.#options.some(({ category }) => category === "model"))
      return chosen("model", id, this.#models, { method: setModel, params: { modelId: id } });
    return this.#option("model", id);
  }

  #option(what: "mode" | "model", id: string): Choice {
    const option = this.#options.find(({ category }) => category === what);
    if (!option) throw new WharfError("choice_unavailable", { what, id: id.slice(0, 100), offered: "" });
    const params = { configId: option.id, value: id };
    return chosen(what, id, option.options, { method: methods.agent.session.setConfigOption, params });
  }
}

function chosen(what: "mode" | "model", id: string, offered: readonly Offered[], choice: Choice): Choice {
  if (offered.some((one) => one.id === id)) return choice;
  const names = offered.slice(0, maxNamed).map((one) => one.id.slice(0, 100));
  const others = offered.length > maxNamed ? [`${offered.length - maxNamed} more`] : [];
  throw new WharfError("choice_unavailable", { what, id: id.slice(0, 100), offered: [...names, ...others].join(", ") });
}
