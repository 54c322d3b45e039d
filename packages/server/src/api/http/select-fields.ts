import type { ServerEndpoint } from "@wharf/contract";
import { z } from "zod";

const Query = z.object({ fields: z.string().optional() });
const Fields = z.record(z.string(), z.unknown());

/** Returns the names of the fields that a request selects. */
export const readSelectedFields = (query: unknown): readonly string[] | undefined =>
  Query.safeParse(query).data?.fields?.split(",");

/** Keeps the selected fields of an answer, or of each row of a list. */
export function selectFields(
  { items }: Pick<ServerEndpoint, "items">,
  answer: unknown,
  names: readonly string[],
): unknown {
  const fields = Fields.parse(answer);
  if (items === undefined) return pick(fields, names);
  return {
    ...fields,
    [items]: z
      .array(Fields)
      .parse(fields[items])
      .map((row) => pick(row, names)),
  };
}

const pick = (row: Record<string, unknown>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.flatMap((name) => (Object.hasOwn(row, name) ? [[name, row[name]] as const] : [])));
