import type { Endpoint } from "@wharf/contract";
import type { z } from "zod";

type Part<E, K extends "params" | "query" | "body"> = K extends keyof E
  ? E[K] extends z.ZodType
    ? { [P in K]: z.output<E[K]> }
    : unknown
  : unknown;
type Answer<E extends Endpoint> = E["response"] extends z.ZodType ? z.input<E["response"]> : AsyncIterable<unknown>;

/** What a route of JSON or NDJSON does with its validated parts. The signal says that the caller left. */
export type HandlersOf<Api extends Readonly<Record<string, Endpoint>>> = {
  readonly [K in keyof Api]: (
    input: Part<Api[K], "params"> & Part<Api[K], "query"> & Part<Api[K], "body">,
    signal: AbortSignal,
  ) => Answer<Api[K]> | Promise<Answer<Api[K]>>;
};
