import type { Endpoint } from "@wharf/contract";
import type { z } from "zod";

type ParsedPart<E, K extends "params" | "query" | "body"> = K extends keyof E
  ? E[K] extends z.ZodType
    ? { [P in K]: z.output<E[K]> }
    : unknown
  : unknown;
type HandlerResponse<E extends Endpoint> = E["response"] extends z.ZodType
  ? z.input<E["response"]>
  : AsyncIterable<unknown>;

/**
 * Handles the validated parts of JSON or NDJSON routes. The signal aborts when the caller
 * disconnects.
 */
export type RouteHandlers<Api extends Readonly<Record<string, Endpoint>>> = {
  readonly [K in keyof Api]: (
    input: ParsedPart<Api[K], "params"> & ParsedPart<Api[K], "query"> & ParsedPart<Api[K], "body">,
    signal: AbortSignal,
  ) => HandlerResponse<Api[K]> | Promise<HandlerResponse<Api[K]>>;
};
