import { z } from "zod";

/**
 * The choices that an agent's session offers, as agents report them in `agent_info`. Newer agents
 * send session options, some of which have the category `mode` or `model`; older agents send lists
 * of modes and models. Anything that does not parse as such a list counts as empty.
 */

const createListSchema = <S extends z.ZodType>(item: S) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((items) => items.flatMap((one) => item.safeParse(one).data ?? []));

/** A mode or model that can be chosen. */
export interface OfferedChoice {
  readonly id: string;
  readonly name: string;
}

const toChoice = (id: string, name: string | undefined): OfferedChoice => ({ id, name: name ?? id });
const name = z.string().optional().catch(undefined);
const Value = z.object({ value: z.string(), name }).transform(({ value, name: label }) => [toChoice(value, label)]);
const Group = z.object({ options: createListSchema(Value) }).transform(({ options }) => options.flat());
const Option = z.object({
  id: z.string(),
  category: z.string(),
  type: z.literal("select"),
  currentValue: name,
  options: createListSchema(z.union([Value, Group])).transform((values) => values.flat()),
});
const Mode = z.object({ id: z.string(), name }).transform(({ id, name: label }) => toChoice(id, label));
const Model = z.object({ modelId: z.string(), name }).transform(({ modelId, name: label }) => toChoice(modelId, label));
const Modes = z.object({ availableModes: createListSchema(Mode) });
const Models = z.object({ availableModels: createListSchema(Model) });

export type SessionOption = z.infer<typeof Option>;

export const parseSessionOptions = (configOptions: unknown): SessionOption[] =>
  createListSchema(Option).parse(configOptions);
/** Parses the separate list of modes or models that some agents send beside their options. */
export const parseModes = (modes: unknown): OfferedChoice[] | undefined => Modes.safeParse(modes).data?.availableModes;
export const parseModels = (models: unknown): OfferedChoice[] | undefined =>
  Models.safeParse(models).data?.availableModels;
