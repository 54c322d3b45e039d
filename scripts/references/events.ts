import { envelopeTypes, EventType, eventKinds, eventTypeByKind, type EventKind } from "@wharf/contract";

const formatTypes = (isPublished: boolean): string[] => [
  "| name | meaning |",
  "| --- | --- |",
  ...Object.entries(envelopeTypes)
    .filter(([, entry]) => entry.isPublished === isPublished)
    .map(([name, { meaning }]) => `| \`${name}\` | ${meaning} |`),
];

const kinds = Object.keys(eventKinds) as EventKind[];

/** Writes the names of events and their envelope from the contract. */
export const formatEvents = (): string =>
  [
    "# Events",
    "",
    "This page is written by `npm run references` from the contract. [Streams](streams.md) explains how to receive",
    "events.",
    "",
    "Everything that happens to a task is an event of its log. Programs receive it in an envelope:",
    "",
    "```json",
    JSON.stringify(
      {
        id: "1042",
        type: "task.state_changed",
        source: "wharf",
        timestamp: "2026-11-23T10:00:00.000Z",
        data: {
          task_id: "5f0c7a2e-4d1b-4c58-9a39-0d6f2b7e8c11",
          board_id: "0b7f4c1d-6a52-4f0e-9d3c-2f1e8a9b7c60",
          seq: 17,
          type: "status",
          timestamp: "2026-11-23T10:00:00.000Z",
          data: { kind: "state", entity: "task", from: "IN_PROGRESS", to: "REVIEW" },
        },
      },
      null,
      2,
    ),
    "```",
    "",
    "- `id` never changes. It is also the cursor with which a program reads on.",
    "- `type` is one of the names below. New names may be added: ignore those that you do not know.",
    "- `data` is the message: a line of the task's log with its sequence `seq`, and the task's board. `agent_id` is the",
    "  run. A message whose data exceeds 64 KiB comes without `data.data` on streams of many tasks; read it from the log.",
    "",
    "## Events of boards",
    "",
    "A list of tasks needs no other events than these to stay up to date.",
    "",
    ...formatTypes(true),
    "",
    "## Events of a task's log",
    "",
    "The stream of one task also has:",
    "",
    ...formatTypes(false),
    "",
    "## Messages",
    "",
    `\`data.type\` is one of ${EventType.options.map((type) => `\`${type}\``).join(", ")}. \`heartbeat\` comes from the`,
    "server itself, on open streams. `data.data.kind` says exactly what happened; [openapi.json](openapi.json) has the",
    "schema of each kind:",
    "",
    "| kind | type |",
    "| --- | --- |",
    ...kinds.map((kind) => `| \`${kind}\` | \`${eventTypeByKind[kind]}\` |`),
    "",
  ].join("\n");
