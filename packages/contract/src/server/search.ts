import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";
import { TaskState } from "../states.ts";
import { createFieldsQuery, oneOrMore, pageEnd, pageQuery } from "./paging.ts";

/** Where a search found its words. */
export const SearchKind = z.enum(["task", "comment", "log"]);
export type SearchKind = z.infer<typeof SearchKind>;

export const SearchResult = z.object({
  kind: SearchKind.describe("`task`: title or description; `comment`; `log`: the log of one of the task's runs"),
  task_id: z.uuid(),
  task_title: z.string(),
  board_id: z.uuid(),
  state: TaskState,
  agent_id: z.uuid().optional().describe("the run whose log has the words"),
  seq: z.number().int().positive().optional().describe("the event in the task's log"),
  comment_id: z.uuid().optional(),
  timestamp: z.string(),
  excerpt: z.string().describe("a part of the text around the words, in one line"),
  highlights: z
    .array(z.object({ start: z.number().int(), end: z.number().int() }))
    .describe("the parts of the excerpt that match, in UTF-16 code units"),
});
export type SearchResult = z.infer<typeof SearchResult>;

const time = z.iso.datetime({ offset: true }).optional();
const { limit } = pageQuery;

export const taskSearchApi = {
  search: createEndpoint({
    needs: "task:read",
    method: "GET",
    path: "/api/v1/search",
    summary: "Search the titles, descriptions, comments and logs of tasks, best matches first",
    query: z.object({
      text: z
        .string()
        .trim()
        .min(1)
        .max(500)
        .describe(
          'all of the words; `"…"` for a phrase, `or` between alternatives, `-` before a word that must not occur',
        ),
      board_id: z.uuid().optional(),
      kind: SearchKind.optional().describe("only titles and descriptions, only comments, or only logs"),
      state: oneOrMore(TaskState).describe("states of the tasks: one, or several by naming the field several times"),
      agent_type: z.string().min(1).max(100).optional(),
      since: time.describe("texts of then or later"),
      until: time.describe("texts before then"),
      ...createFieldsQuery(SearchResult),
      limit: limit.unwrap().max(100).default(20),
      cursor: pageQuery.cursor,
    }),
    response: z.object({
      results: z.array(SearchResult),
      capped: z.literal(true).optional().describe("only the newest matches are ranked; there may be older ones"),
      ...pageEnd,
    }),
    items: "results",
    errors: ["board_not_found", "search_without_words", "search_too_slow"],
  }),
} as const;
