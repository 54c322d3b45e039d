import { z } from "zod";

/**
 * What a person may choose of in an agent's session, as agents tell it in `agent_info`: as options of the session, of
 * which one has the category `mode` or `model`, or, before there were options, as lists of modes and of models. What is
 * no list, or not of such things, is an empty one.
 */

const listOf = <S extends z.ZodType>(item: S) =>
  z
    .array(z.unknown())
    .catch([])
    .transform((items) => items.flatMap((one) => item.safeParse(one).data ?? []));

/** One that can be chosen. */
export interface Offered {
  readonly id: string;
  readonly name: string;
}

const named = (id: string, name: string | undefined): Offered => ({ id, name: name ?? id });
const name = z.string().optional().catch(undefined);
const Value = z.object({ value: z.string(), name }).transform(({ value, name: told }) => [named(value, told)]);
const Group = z.object({ options: listOf(Value) }).transform(({ options }) => options.flat());
const Option = z.object({
  id: z.string(),
  category: z.string(),
  type: z.literal("select"),
  currentValue: name,
  options: listOf(z.union([Value, Group])).transform((values) => values.flat()),
});
const Mode = z.object({ id: z.string(), name }).transform(({ id, name: told }) => named(id, told));
const Model = z.object({ modelId: z.string(), name }).transform(({ modelId, name: told }) => named(modelId, told));
const Modes = z.object({ availableModes: listOf(Mode) });
const Models = z.object({ availableModels: listOf(Model) });

export type SessionOption = z.infer<typeof Option>;

export const sessionOptions = (configOptions: unknown): SessionOption[] => listOf(Option).parse(configOptions);
/** The list of modes, or of models, of an agent that has one beside its options. */
export const listedModes = (modes: unknown): Offered[] | undefined => Modes.safeParse(modes).data?.availableModes;
export const listedModels = (models: unknown): Offered[] | undefined => Models.safeParse(models).data?.availableModels;
