import { methods } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import { z } from "zod";

/**
 * What a person may choose in an agent's session. Agents tell it in two ways: as options of the session, of which one has
 * the category `mode` or `model`, or, before there were options, as lists of modes and of models.
 */

/** Left out of the protocol since models became options; agents that list models still know it. */
const setModel = "session/set_model";

/** What is no list, or not of such things, is an empty one. */
const listOf = <S extends z.ZodType>(item: S) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((items) => items.flatMap((one) => item.safeParse(one).data ?? []));

const Value = z.object({ value: z.string() }).transform(({ value }) => [value]);
const Group = z.object({ options: listOf(Value) }).transform(({ options }) => options.flat());
const Option = z.object({
  id: z.string(),
  category: z.string(),
  type: z.literal("select"),
  options: listOf(z.union([Value, Group])).transform((values) => values.flat()),
});
const Modes = z.object({ availableModes: listOf(z.object({ id: z.string() })) });
const Models = z.object({ availableModels: listOf(z.object({ modelId: z.string() })) });

interface Offered {
  modes?: unknown;
  models?: unknown;
  configOptions?: unknown;
}

interface Choice {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
}

export class SessionChoices {
  readonly #modes: readonly string[] | undefined;
  readonly #models: readonly string[] | undefined;
  #options: readonly z.infer<typeof Option>[] = [];

  constructor({ modes, models, configOptions }: Offered) {
    this.#modes = Modes.safeParse(modes).data?.availableModes.map(({ id }) => id);
    this.#models = Models.safeParse(models).data?.availableModels.map(({ modelId }) => modelId);
    this.offer(configOptions);
  }

  /** The agent's options have changed: it always tells all of them. */
  offer(configOptions: unknown): void {
    this.#options = listOf(Option).parse(configOptions);
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
    if (!option) throw new WharfError("unsupported", { what: `Choosing a ${what} of this agent` });
    const params = { configId: option.id, value: id };
    return chosen(what, id, option.options, { method: methods.agent.session.setConfigOption, params });
  }
}

function chosen(what: string, id: string, offered: readonly string[], choice: Choice): Choice {
  if (!offered.includes(id)) throw new WharfError("not_found", { what: `${what} of this agent`, id: id.slice(0, 100) });
  return choice;
}
