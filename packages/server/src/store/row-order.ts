import { WharfError } from "@wharf/contract";
import { Column, type SQL, sql } from "drizzle-orm";
import { mapPage, type Page, parseCursor, toPage } from "./pages.ts";

/** What a list is ordered by: a column, or an expression with its type. */
export type OrderKey = Column | { readonly value: SQL; readonly type: keyof typeof forms };

/** How a cursor holds the values of each type. */
const forms = {
  bigint: "number",
  text: "text",
  "timestamp with time zone": "time",
  uuid: "uuid",
} as const;

/** A row with its position in the list. */
export type PositionedRow<T> = Pick<T, keyof T> & { readonly position: readonly string[] };

interface RowOrderOptions {
  readonly keys: readonly OrderKey[];
  readonly isDescending?: boolean;
  /** The name that begins a cursor. The usual order of a list has none. */
  readonly name?: string | undefined;
}

/**
 * The order of a list. All keys have the same direction, and together they are unique: then a page
 * begins exactly after the previous one, whatever was added meanwhile.
 */
export class RowOrder {
  readonly #keys: readonly { readonly value: SQL; readonly type: keyof typeof forms }[];
  readonly #isDescending: boolean;
  readonly #name: string | undefined;

  constructor({ keys, isDescending = false, name }: RowOrderOptions) {
    this.#keys = keys.map((key) => (key instanceof Column ? { value: sql`${key}`, type: getType(key) } : key));
    this.#isDescending = isDescending;
    this.#name = name;
  }

  /** The values of the keys, in the database's text format. A list selects them as `position`. */
  get position(): SQL<string[]> {
    return sql<string[]>`array[${join(this.#keys.map(({ value }) => sql`${value}::text`))}]`;
  }

  /** The arguments of `order by`. */
  get columns(): SQL[] {
    const direction = sql.raw(this.#isDescending ? "desc" : "asc");
    return this.#keys.map(({ value }) => sql`${value} ${direction}`);
  }

  /** Returns the condition on the rows after a cursor. */
  isAfter(cursor: string | undefined): SQL | undefined {
    const values = this.#parse(cursor);
    if (!values) return undefined;
    const position = this.#keys.map(({ type }, n) => sql`${values[n]}::${sql.raw(type)}`);
    const operator = sql.raw(this.#isDescending ? "<" : ">");
    return sql`(${join(this.#keys.map(({ value }) => value))}) ${operator} (${join(position)})`;
  }

  /** Ends a page. The rows include one more than the limit if there is one. */
  toPage<T extends PositionedRow<object>>(rows: readonly T[], limit: number): Page<Omit<T, "position">> {
    const cursorAfter = ({ position }: T) => (this.#name === undefined ? position : [this.#name, ...position]);
    const page = toPage(rows, { limit, cursorAfter });
    return mapPage(page, removePosition);
  }

  #parse(cursor: string | undefined): readonly string[] | undefined {
    const keyForms = this.#keys.map(({ type }) => forms[type]);
    if (this.#name === undefined) return parseCursor(cursor, keyForms);
    const values = parseCursor(cursor, ["order", ...keyForms]);
    if (!values) return undefined;
    if (values[0] !== this.#name) throw createOtherOrderError();
    return values.slice(1);
  }
}

/**
 * Creates the orders among which a request chooses, such as `name` or `-created_at`. Further keys
 * decide between rows with the same value.
 */
export function createRowOrders<const Name extends string>(
  keys: Readonly<Record<Name, readonly OrderKey[]>>,
  usual: NoInfer<Name> | `-${NoInfer<Name>}`,
): (sort?: Name | `-${Name}`) => RowOrder {
  const orders = new Map(
    Object.entries<readonly OrderKey[]>(keys).flatMap(([name, ofName]) =>
      [name, `-${name}`].map((sort) => {
        const options = { keys: ofName, isDescending: sort !== name };
        return [sort, new RowOrder(sort === usual ? options : { ...options, name: sort })] as const;
      }),
    ),
  );
  return (sort = usual) => orders.get(sort)!;
}

function removePosition<T extends PositionedRow<object>>(row: T): Omit<T, "position"> {
  const { position: _, ...fields } = row;
  return fields;
}

const createOtherOrderError = () =>
  new WharfError("bad_request", {
    issues: [{ path: "cursor", message: "is the cursor of another order: keep `sort` from page to page" }],
  });

const join = (parts: readonly SQL[]): SQL => sql.join([...parts], sql`, `);

/** The lengths of texts do not matter for a comparison. */
function getType(column: Column): keyof typeof forms {
  const type = column.getSQLType().replace(/^varchar.*/, "text");
  if (!Object.hasOwn(forms, type)) throw new TypeError(`lists cannot be ordered by ${column.name}, a ${type}`);
  return type as keyof typeof forms;
}
