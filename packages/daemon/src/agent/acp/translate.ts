import type { EventData, EventDataByKind, ToolCallContent } from "@wharf/contract";
import { z } from "zod";
import { ByteBudget } from "../events/byte-budget.ts";
import type { TextChunk } from "../events/recorder.ts";
import { omitUndefined } from "../omit-undefined.ts";
import type { CommandOutput } from "./call-outputs.ts";

/** This module translates session updates of the Agent Client Protocol, version 1, to events. */

const Id = z.string().min(1).max(1_024);
const toOptional = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? undefined);
/** Makes a field optional; an invalid value is dropped instead of refused. */
const toLenient = <S extends z.ZodType>(schema: S) => toOptional(schema).catch(undefined);

const Block = z.looseObject({ type: z.string() });
const Content = z.discriminatedUnion("type", [
  z.object({ type: z.literal("content"), content: Block }),
  z.object({ type: z.literal("diff"), path: z.string(), oldText: toLenient(z.string()), newText: z.string() }),
  z.object({ type: z.literal("terminal"), terminalId: z.string() }),
]);
const Contents = z.array(z.unknown()).transform((items) => items.flatMap((item) => Content.safeParse(item).data ?? []));
const Location = z.object({ path: z.string(), line: toLenient(z.number()) });

const Printed = z.object({ data: z.string() });
const Exit = z.object({ exit_code: toLenient(z.int()) });

export const ToolCallUpdate = z.object({
  toolCallId: Id,
  title: toLenient(z.string()),
  kind: toLenient(z.string()),
  status: toLenient(z.string()),
  content: toLenient(Contents),
  locations: toLenient(z.array(Location)),
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
  /** Codex sends the output and exit of its commands here. */
  _meta: toLenient(
    z.object({
      terminal_output_delta: toLenient(Printed),
      terminal_output: toLenient(Printed),
      terminal_exit: toLenient(Exit),
    }),
  ),
});

const Chunk = z.object({ content: Block, messageId: toLenient(z.string()) });
const Update = z.discriminatedUnion("sessionUpdate", [
  Chunk.extend({ sessionUpdate: z.literal("user_message_chunk") }),
  Chunk.extend({ sessionUpdate: z.literal("agent_message_chunk") }),
  Chunk.extend({ sessionUpdate: z.literal("agent_thought_chunk") }),
  ToolCallUpdate.extend({ sessionUpdate: z.literal("tool_call") }),
  ToolCallUpdate.extend({ sessionUpdate: z.literal("tool_call_update") }),
  z.object({
    sessionUpdate: z.literal("plan"),
    entries: z.array(z.object({ content: z.string(), status: z.string(), priority: toLenient(z.string()) })),
  }),
  z.looseObject({ sessionUpdate: z.literal("usage_update") }),
  z.object({ sessionUpdate: z.literal("notice"), title: z.string(), description: toLenient(z.string()) }),
]);

/** These updates change a person's choices or describe the session; they are kept unchanged. */
const infoUpdates = new Set([
  "available_commands_update",
  "current_mode_update",
  "config_option_update",
  "session_info_update",
  "compaction_update",
  "compaction_summary_chunk",
]);
const Info = z.looseObject({
  sessionUpdate: z.string().refine((name) => infoUpdates.has(name), "is not an update that is known"),
});

type UpdateTranslation =
  | { text: TextChunk; messageId: string | undefined }
  | { call: EventDataByKind<"tool_call">; output: CommandOutput; plan: EventDataByKind<"plan"> | undefined }
  | { data: EventData };

/**
 * Returns the event for an update, or undefined if the update adds nothing. Throws if it is not an
 * update.
 */
export function translateUpdate(update: unknown): UpdateTranslation | undefined {
  const info = Info.safeParse(update);
  if (info.success) {
    const { sessionUpdate, ...details } = info.data;
    return { data: { ...new ByteBudget().clipRecord(details), kind: "agent_info", update: sessionUpdate } };
  }
  const knownUpdate = Update.parse(update);
  switch (knownUpdate.sessionUpdate) {
    case "user_message_chunk":
      return undefined; // The log already has the person's text; this is its echo.
    case "agent_message_chunk":
      return { text: { kind: "message", text: getBlockText(knownUpdate.content) }, messageId: knownUpdate.messageId };
    case "agent_thought_chunk":
      return { text: { kind: "thought", text: getBlockText(knownUpdate.content) }, messageId: knownUpdate.messageId };
    case "tool_call":
    case "tool_call_update":
      return {
        call: createToolCallEvent(knownUpdate, knownUpdate.sessionUpdate === "tool_call" ? "pending" : undefined),
        output: getCommandOutput(knownUpdate),
        plan: parsePlan(knownUpdate),
      };
    case "plan":
      return { data: createPlanEvent(knownUpdate.entries) };
    case "usage_update": {
      const { sessionUpdate: _, ...raw } = knownUpdate;
      return { data: { kind: "usage", source: "agent", raw: new ByteBudget().clipValue(raw) } };
    }
    case "notice":
      return {
        data: {
          kind: "notice",
          message: new ByteBudget().clipText([knownUpdate.title, knownUpdate.description].filter(Boolean).join("\n")),
        },
      };
  }
}

export function createToolCallEvent(
  call: z.infer<typeof ToolCallUpdate>,
  statusIfNone?: string,
): EventDataByKind<"tool_call"> {
  const budget = new ByteBudget();
  return omitUndefined({
    kind: "tool_call" as const,
    tool_call_id: call.toolCallId,
    title: call.title === undefined ? undefined : budget.clipText(call.title, 4_096),
    tool_kind: call.kind?.slice(0, 100),
    status: call.status?.slice(0, 100) ?? statusIfNone,
    locations: call.locations
      ?.slice(0, 200)
      .map(({ path, line }) => omitUndefined({ path: budget.clipText(path, 4_096), line })),
    content: call.content && convertContent(call.content, budget),
    raw_input: call.rawInput === undefined ? undefined : budget.clipValue(call.rawInput),
    raw_output: call.rawOutput === undefined ? undefined : budget.clipValue(call.rawOutput),
  });
}

const getCommandOutput = ({ _meta }: z.infer<typeof ToolCallUpdate>): CommandOutput => ({
  text: (_meta?.terminal_output_delta ?? _meta?.terminal_output)?.data,
  exit_code: _meta?.terminal_exit?.exit_code,
});

function convertContent(items: z.infer<typeof Contents>, budget: ByteBudget): ToolCallContent[] {
  const content: ToolCallContent[] = [];
  for (const item of items) {
    if (budget.isSpent) break;
    if (item.type === "content") content.push({ type: "text", text: budget.clipText(getBlockText(item.content)) });
    if (item.type === "terminal")
      content.push({ type: "terminal", terminal_id: budget.clipText(item.terminalId, 1_024) });
    if (item.type === "diff") {
      const path = budget.clipText(item.path, 4_096);
      const newText = budget.clipText(item.newText);
      const oldText = item.oldText === undefined ? undefined : budget.clipText(item.oldText);
      content.push(omitUndefined({ type: "diff" as const, path, old_text: oldText, new_text: newText }));
    }
  }
  return content;
}

const Todos = z.object({
  todos: z
    .array(
      z
        .object({ content: z.string().optional(), description: z.string().optional(), status: z.string() })
        .transform(({ content, description, status }) => ({ content: content ?? description ?? "", status })),
    )
    .min(1),
});

/** Returns the plan that a call writes: some agents have a plan tool and report only its calls. */
function parsePlan({ rawInput }: z.infer<typeof ToolCallUpdate>): EventDataByKind<"plan"> | undefined {
  const todos = Todos.safeParse(rawInput);
  return todos.success ? createPlanEvent(todos.data.todos) : undefined;
}

function createPlanEvent(
  entries: readonly { content: string; status: string; priority?: string | undefined }[],
): EventDataByKind<"plan"> {
  const budget = new ByteBudget();
  const planEntries: EventDataByKind<"plan">["entries"] = [];
  for (const { content, status, priority } of entries) {
    if (budget.isSpent) break;
    planEntries.push(
      omitUndefined({
        content: budget.clipText(content, 8_192),
        status: budget.clipText(status, 100),
        priority: priority?.slice(0, 100),
      }),
    );
  }
  return { kind: "plan", entries: planEntries };
}

const Words = z.object({ text: z.string() });
const Link = z.object({ name: z.string().catch("file"), uri: z.string() });
const Resource = z.object({
  resource: z.object({ uri: z.string().catch("resource"), text: z.string().optional().catch(undefined) }),
});

/** Returns the text of a content block; other content is named, not shown. */
function getBlockText(block: z.infer<typeof Block>): string {
  if (block.type === "text") return Words.parse(block).text;
  if (block.type === "resource_link") {
    const { name, uri } = Link.parse(block);
    return `[${name}](${uri})`;
  }
  if (block.type === "resource") {
    const { resource } = Resource.parse(block);
    return resource.text ?? `[${resource.uri}]`;
  }
  return `[${block.type.slice(0, 100)}]`;
}
