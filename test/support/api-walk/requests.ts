import fc from "fast-check";
import { z } from "zod";
import type { Operation, Parameter } from "./operations.ts";
import { createValues, hostileValues } from "./schema-values.ts";

/** A request as bytes; ids are chosen when it is sent. */
export interface PlannedRequest {
  readonly operation: Operation;
  /** The index of the person who sends it. */
  readonly person: number;
  /** Values by name; an index selects one of the known ids. */
  readonly params: Readonly<Record<string, string | { readonly known: number }>>;
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly body: PlannedBody;
  readonly contentType: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

/** Large bodies are created when they are sent. */
export type PlannedBody =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly value: unknown; readonly encoding: "utf8" | "utf16le" | "latin1" }
  | { readonly kind: "cut"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "deep"; readonly depth: number }
  | { readonly kind: "huge"; readonly bytes: number };

/** Creates requests for all of these operations, most of them nearly valid. */
export const createRequests = (operations: readonly Operation[], people: number): fc.Arbitrary<PlannedRequest> =>
  fc.oneof(...operations.map((operation) => createOperationRequests(operation, people)));

function createOperationRequests(operation: Operation, people: number): fc.Arbitrary<PlannedRequest> {
  const named = (place: Parameter["in"]) => operation.parameters.filter((parameter) => parameter.in === place);
  return fc.record({
    operation: fc.constant(operation),
    person: fc.nat({ max: people - 1 }),
    params: fc.record(Object.fromEntries(named("path").map((parameter) => [parameter.name, createParam(parameter)]))),
    query: createQuery(named("query")),
    body: createBody(operation),
    contentType: fc.oneof(
      { weight: 20, arbitrary: fc.constant(operation.body?.type) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          undefined,
          "text/plain",
          "application/xml",
          "multipart/form-data",
          "application/json; charset=utf-16",
        ),
      },
    ),
    headers: createHeaders(operation),
  });
}

const createParam = ({ schema }: Parameter): fc.Arbitrary<string | { readonly known: number }> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.record({ known: fc.nat({ max: 50 }) }) },
    { weight: 2, arbitrary: createValues(schema).map(toText) },
    { weight: 1, arbitrary: hostileValues.map((value) => toText(value).slice(0, 700)) },
  );

function createQuery(parameters: readonly Parameter[]): fc.Arbitrary<(readonly [string, string])[]> {
  const pairs = parameters.map((parameter) => {
    const pair = fc
      .oneof({ weight: 8, arbitrary: createValues(parameter.schema) }, { weight: 1, arbitrary: hostileValues })
      .map((value): (readonly [string, string])[] => [[parameter.name, toText(value).slice(0, 4_000)]]);
    return fc.oneof(
      { weight: parameter.required ? 1 : 3, arbitrary: fc.constant([]) },
      { weight: parameter.required ? 12 : 3, arbitrary: pair },
      { weight: 1, arbitrary: pair.map((one) => [...one, ...one]) },
    );
  });
  const unknown = fc.oneof(
    { weight: 9, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: hostileValues.map((value): (readonly [string, string])[] => [
        ["__proto__", toText(value).slice(0, 100)],
      ]),
    },
  );
  return fc.tuple(...pairs, unknown).map((lists) => lists.flat());
}

function createBody({ method, body }: Operation): fc.Arbitrary<PlannedBody> {
  if (!body)
    return fc.oneof(
      { weight: 9, arbitrary: fc.constant({ kind: "none" } as const) },
      {
        weight: method === "GET" ? 0 : 1,
        arbitrary: fc.constant({ kind: "json", value: {}, encoding: "utf8" } as const),
      },
    );
  if (body.schema === undefined)
    return fc.uint8Array({ maxLength: 2_000 }).map((bytes) => ({ kind: "bytes", bytes }) as const);
  const values = createValues(body.schema);
  return fc.oneof(
    { weight: 12, arbitrary: values.map((value) => ({ kind: "json", value, encoding: "utf8" }) as const) },
    {
      weight: 6,
      arbitrary: withHostileField(values).map((value) => ({ kind: "json", value, encoding: "utf8" }) as const),
    },
    { weight: 1, arbitrary: hostileValues.map((value) => ({ kind: "json", value, encoding: "utf8" }) as const) },
    {
      weight: 1,
      arbitrary: fc.oneof(
        fc.constant({ kind: "none" } as const),
        fc.record({ kind: fc.constant("cut" as const), value: values }),
        fc.record({
          kind: fc.constant("json" as const),
          value: values,
          encoding: fc.constantFrom("utf16le" as const, "latin1" as const),
        }),
        fc.record({
          kind: fc.constant("text" as const),
          text: fc.constantFrom(
            "",
            "{",
            "[",
            "nul",
            "\uFEFF{}",
            '{"a":1,"a":2}',
            "{'a':1}",
            '{"__proto__":{}}',
            '"\\ud800"',
          ),
        }),
        fc.record({ kind: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
        fc.record({ kind: fc.constant("deep" as const), depth: fc.constantFrom(70, 5_000, 100_000) }),
        fc.record({ kind: fc.constant("huge" as const), bytes: fc.constantFrom(1_048_577, 3_000_000) }),
      ),
    },
  );
}

/** Replaces a field, or adds one. Fields that decide what a runner starts stay as they are. */
function withHostileField(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(values, fc.nat(), hostileValues).map(([value, index, hostile]) => {
    const fields = z.record(z.string(), z.unknown()).safeParse(value);
    if (!fields.success) return hostile;
    const names = [...Object.keys(fields.data), "unknown"].filter(
      (name) => !["command", "data", "shell", "text"].includes(name),
    );
    return { ...fields.data, [names[index % names.length] ?? "unknown"]: hostile };
  });
}

function createHeaders({ parameters }: Operation): fc.Arbitrary<Record<string, string>> {
  const own = parameters.filter((parameter) => parameter.in === "header").map(({ name }) => name);
  const names = [...own, "accept", "if-match", "if-none-match", "idempotency-key", "content-encoding"];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant({}) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...names),
          fc.constantFrom("*", '"x"', "", "bytes=0-1", "bytes=9-1", "gzip", "' or 1=1 --", "x".repeat(1_000)),
        )
        .map(([name, value]) => ({ [name]: value })),
    },
  );
}

const toText = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
