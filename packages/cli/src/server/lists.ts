import type { EndpointInput, EndpointOutput, ServerEndpoint } from "@wharf/contract";
import { z } from "zod";
import type { CallOptions, Client } from "./client.ts";

/** A route whose answer is a page of a list. */
type ListRoute = ServerEndpoint & { readonly items: string };

type ListRow<E extends ListRoute> =
  EndpointOutput<E> extends Readonly<Record<E["items"], readonly (infer Row)[]>> ? Row : never;

/** The largest page. */
const maxPageLength = 1_000;

const PageEnd = z.object({ next_cursor: z.string().optional() });

interface ListParts {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
}

/** Yields all rows of a list, page by page. */
export async function* iterateRows<E extends ListRoute>(
  client: Client,
  route: E,
  input: EndpointInput<E>,
  options: CallOptions = {},
): AsyncGenerator<ListRow<E>, void, undefined> {
  for await (const page of readPages(client, route, input, options)) yield* getRows(route, page);
}

/** Returns all rows of a list. */
export const readAllRows = <E extends ListRoute>(
  client: Client,
  route: E,
  input: EndpointInput<E>,
  options: CallOptions = {},
): Promise<ListRow<E>[]> => Array.fromAsync(iterateRows(client, route, input, options));

/** Returns a list's first page, or with `all` an answer of the same form with all rows. */
export async function readList<E extends ListRoute>(
  client: Client,
  route: E,
  input: EndpointInput<E>,
  { limit, all }: { readonly limit: number; readonly all: boolean },
): Promise<EndpointOutput<E>> {
  const { query, ...parts } = input as ListParts;
  // The type of a generic endpoint cannot show that a list's query has a limit.
  if (!all) return client.call(route, { ...parts, query: { ...query, limit } } as EndpointInput<E>);
  const pages = await Array.fromAsync(readPages(client, route, input, {}));
  const rows = pages.flatMap((page) => getRows(route, page));
  const [first]: readonly object[] = pages;
  return { ...first, [route.items]: rows, next_cursor: undefined } as EndpointOutput<E>;
}

async function* readPages<E extends ListRoute>(
  client: Client,
  route: E,
  input: EndpointInput<E>,
  options: CallOptions,
): AsyncGenerator<EndpointOutput<E> & object, void, undefined> {
  const { query, ...parts } = input as ListParts;
  let cursor: string | undefined;
  do {
    const part = { ...parts, query: { ...query, limit: maxPageLength, cursor } };
    const page = await client.call(route, part as EndpointInput<E>, options);
    // A list is an object with its rows.
    yield page as EndpointOutput<E> & object;
    cursor = PageEnd.parse(page).next_cursor;
  } while (cursor !== undefined);
}

/** The schema of the answer has this field, which the type of a generic endpoint cannot show. */
const getRows = <E extends ListRoute>({ items }: E, page: EndpointOutput<E>): ListRow<E>[] =>
  (page as Readonly<Record<string, ListRow<E>[]>>)[items] ?? [];
