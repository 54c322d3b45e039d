import type { ToolCallContent, ToolKind } from "@agentclientprotocol/sdk";
import { createInvalidRequestError, toWharfError, WharfError } from "@wharf/contract";
import { z } from "zod";
import type { ToolCall, ToolCallView } from "../session/index.ts";

export interface ToolOutcome {
  /** The model receives this text. */
  readonly text: string;
  /** The client receives this content if it differs from the text. */
  readonly content?: ToolCallContent[];
  readonly failed?: boolean;
  readonly rawOutput?: unknown;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly kind: ToolKind;
  readonly input: z.ZodType;
  view(input: unknown): ToolCallView;
  run(input: unknown, call: ToolCall): Promise<ToolOutcome>;
}

interface ToolDefinition<Schema extends z.ZodType> {
  readonly name: string;
  readonly description: string;
  readonly kind: ToolKind;
  readonly input: Schema;
  title(input: z.infer<Schema>): string;
  /** Returns the path that the call is about. */
  path?(input: z.infer<Schema>): { path: string; line?: number } | undefined;
  run(input: z.infer<Schema>, call: ToolCall): Promise<ToolOutcome>;
}

/** Creates a tool whose input is validated before its own code runs. */
export function createTool<Schema extends z.ZodType>(definition: ToolDefinition<Schema>): Tool {
  const { name, description, kind, input: schema } = definition;
  return {
    name,
    description,
    kind,
    input: schema,
    view(input) {
      const parsed = schema.safeParse(input);
      if (!parsed.success) return { title: name, kind, rawInput: input };
      const place = definition.path?.(parsed.data);
      return { title: definition.title(parsed.data), kind, rawInput: input, ...(place && { locations: [place] }) };
    },
    run(input, call) {
      const parsed = schema.safeParse(input);
      if (parsed.success) return definition.run(parsed.data, call);
      return Promise.reject(createInvalidRequestError(parsed.error));
    },
  };
}

export const refused: ToolOutcome = {
  text: "The user refused this call. Do not try it in another way. Continue without it, or explain what you need and why.",
  failed: true,
};

export const createInputError = (path: string, message: string): WharfError =>
  new WharfError("bad_request", { issues: [{ path, message }] });

/** Describes a tool's error in a form that helps its caller. */
export function toFailedOutcome(error: unknown): ToolOutcome {
  const wharfError = toWharfError(error, "tool");
  const message =
    wharfError.code === "internal" && error instanceof Error
      ? error.message
      : `${wharfError.message} ${wharfError.next}`;
  return { text: message, failed: true };
}
