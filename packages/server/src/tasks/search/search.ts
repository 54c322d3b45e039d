import { type SearchKind, type SearchResult, type TaskState, toList, WharfError } from "@wharf/contract";
import { and, asc, eq, gte, lte, type SQL, sql } from "drizzle-orm";
import { isVisibleBoard, isVisibleTask, type VisibilityScope } from "../../access/index.ts";
import type { Log } from "../../events/index.ts";
import { type Database, type Executor, formatCursor, type PageQuery, parseCursor, schema } from "../../store/index.ts";
import { createDocuments, findSeq } from "./documents.ts";
import { createExcerpt, findBestPlace } from "./excerpt.ts";
import { getBoardLabel, getOrganizationLabel } from "./index-task.ts";
import { parseSearchQuery, type SearchQuery } from "./query.ts";
import { quoteLexeme } from "./words.ts";

const { boards, events, task_comments } = schema;

/** The newest matches, which are ranked. */
const maxRanked = 1_000;
/** The newest documents, which are read without the index, and how many of them must match. */
const maxRecent = 5_000;
const minRecentMatches = 300;
/** A person of more boards is served by the index of their organization. */
const maxBoardLabels = 100;
const timeoutSeconds = 10;

export interface SearchFilter extends PageQuery {
  readonly text: string;
  readonly board_id?: string | undefined;
  readonly kind?: SearchKind | undefined;
  readonly state?: TaskState | readonly TaskState[] | undefined;
  readonly agent_type?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export interface SearchPage {
  readonly results: SearchResult[];
  readonly capped?: true;
  readonly next_cursor?: string;
}

interface Match extends Record<string, unknown> {
  readonly id: string;
  readonly rank: string;
  readonly kind: SearchKind;
  readonly task_id: string;
  readonly comment_id: string | null;
  readonly first_seq: string | null;
  readonly last_seq: string | null;
  readonly task_title: string;
  readonly description: string | null;
  readonly board_id: string;
  readonly state: TaskState;
  readonly created_at: string;
  readonly matches: number;
  readonly newest_id: string;
}

/**
 * Searches the documents of tasks that a person sees. The index finds the newest matches on the
 * boards, and these are ranked; the texts of a page come from the rows that they belong to.
 */
export class Search {
  readonly #db: Database;
  readonly #redact: (text: string) => string;

  constructor(db: Database, redact: (text: string) => string) {
    this.#db = db;
    this.#redact = redact;
  }

  async find(scope: VisibilityScope, filter: SearchFilter): Promise<SearchPage> {
    const query = parseSearchQuery(filter.text);
    const [rankAfter, idAfter, newestId] = parseCursor(filter.cursor, ["number", "number", "number"]) ?? [];
    const labels = await this.#findLabels(scope, filter.board_id);
    if (labels.length === 0) return { results: [] };
    const expression = `(${query.expression}) & (${labels.map(quoteLexeme).join(" | ")})`;
    const after = rankAfter === undefined ? sql`true` : sql`(rank, id) < (${rankAfter}::bigint, ${idAfter}::bigint)`;
    const { limit } = filter;
    const conditions = createConditions(filter);
    const options = { scope, expression, words: query.expression, conditions, after, newestId, limit };
    const { rows, isCapped } = await this.#readMatches(options);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const results: SearchResult[] = [];
    for (const match of page) {
      const result = await this.#present(match, query);
      if (result) results.push(result);
    }
    return {
      results,
      ...(isCapped && { capped: true as const }),
      ...(last &&
        rows.length > limit && { next_cursor: formatCursor([last.rank, last.id, newestId ?? last.newest_id]) }),
    };
  }

  /** Returns the labels of documents on the boards that the person sees, or on one of them. */
  async #findLabels(scope: VisibilityScope, boardId: string | undefined): Promise<string[]> {
    const isWanted = boardId === undefined ? undefined : eq(boards.id, boardId);
    if (boardId === undefined && scope.role === "admin") return [getOrganizationLabel(scope.organization_id)];
    const rows = await this.#db
      .select({ id: boards.id })
      .from(boards)
      .where(and(isVisibleBoard(scope), isWanted))
      .limit(maxBoardLabels + 1);
    if (boardId !== undefined && rows.length === 0) throw new WharfError("board_not_found", { id: boardId });
    if (rows.length > maxBoardLabels) return [getOrganizationLabel(scope.organization_id)];
    return rows.map(({ id }) => getBoardLabel(id));
  }

  async #readMatches(options: MatchOptions): Promise<Matches> {
    try {
      return await this.#db.transaction(async (tx) => {
        await tx.execute(sql.raw(`set local statement_timeout = '${timeoutSeconds}s'`));
        return await readMatches(tx, options);
      });
    } catch (error) {
      if (isTimeout(error)) throw new WharfError("search_too_slow", { after_s: timeoutSeconds }, { cause: error });
      throw error;
    }
  }

  /** Returns undefined if the text is gone since the match was found. */
  async #present(match: Match, query: SearchQuery): Promise<SearchResult | undefined> {
    const { kind, task_id, board_id, state } = match;
    const found = await this.#readText(match, query);
    if (!found) return undefined;
    const { text, ...where } = found;
    return {
      kind,
      task_id,
      task_title: this.#redact(match.task_title),
      board_id,
      state,
      timestamp: new Date(match.created_at).toISOString(),
      ...where,
      ...createExcerpt(text, findBestPlace(text, query.isWanted), query.isWanted),
    };
  }

  async #readText(match: Match, { isWanted }: SearchQuery) {
    const { kind, task_id, comment_id } = match;
    if (kind === "task") return { text: this.#redact(`${match.task_title}\n${match.description ?? ""}`) };
    if (kind === "comment") {
      const isComment = and(eq(task_comments.id, comment_id ?? ""), eq(task_comments.task_id, task_id));
      const [comment] = await this.#db.select({ text: task_comments.text }).from(task_comments).where(isComment);
      return comment && { text: this.#redact(comment.text), comment_id: comment_id ?? "" };
    }
    const [document] = createDocuments(await this.#readEvents(match), this.#redact);
    if (!document) return undefined;
    const seq = findSeq(document, findBestPlace(document.text, isWanted));
    return { text: document.text, seq, ...(document.run_id !== undefined && { agent_id: document.run_id }) };
  }

  async #readEvents({ task_id, first_seq, last_seq }: Match): ReturnType<Log["read"]> {
    const rows = await this.#db
      .select()
      .from(events)
      .where(and(eq(events.task_id, task_id), gte(events.seq, Number(first_seq)), lte(events.seq, Number(last_seq))))
      .orderBy(asc(events.seq));
    return rows.map(({ seq, type, timestamp, run_id, data }) => ({
      seq,
      type,
      timestamp: timestamp.toISOString(),
      task_id,
      data,
      ...(run_id && { agent_id: run_id }),
    }));
  }
}

interface MatchOptions {
  readonly scope: VisibilityScope;
  /** The words with the labels, which the index answers. */
  readonly expression: string;
  readonly words: string;
  readonly conditions: readonly SQL[];
  readonly after: SQL;
  /** The newest document when the first page was read. */
  readonly newestId: string | undefined;
  readonly limit: number;
}

interface Matches {
  readonly rows: readonly Match[];
  /** Whether there may be older matches, which are not ranked. */
  readonly isCapped: boolean;
}

/**
 * Reads a page of the ranked matches. Common words match within the newest documents, which are
 * read without the index: the index would list every match first. Others are looked up in it.
 */
async function readMatches(tx: Executor, options: MatchOptions): Promise<Matches> {
  const { newestId, words, after, limit } = options;
  const isBefore = newestId === undefined ? sql`true` : sql`id <= ${newestId}::bigint`;
  const newest = sql`(select * from search_documents where ${isBefore} order by id desc limit ${maxRecent}) document`;
  const isCommon = await matchesOften(tx, newest, options);
  const source = isCommon ? newest : sql`(select * from search_documents where ${isBefore}) document`;
  // The sum below, and this setting, leave the planner only the index of words.
  await tx.execute(sql`set local enable_seqscan = off`);
  const { rows } = await tx.execute<Match>(sql`
    with matches as materialized (
      select document.id, document.kind, document.task_id, document.comment_id, document.first_seq, document.last_seq,
        document.created_at, document.words, tasks.title as task_title, tasks.board_id, tasks.state
      from ${createVisible(source, options)}
      order by document.id + 0 desc limit ${maxRanked + 1}
    ), ranked as (
      select *, (ts_rank(words, ${words}::tsquery, 1) * 1000000)::bigint as rank, max(id) over () as newest_id,
        (count(*) over ())::int as matches
      from matches
    ), page as (
      select * from ranked where ${after} order by rank desc, id desc limit ${limit + 1}
    )
    select page.id, rank, kind, task_id, comment_id, first_seq, last_seq, created_at, task_title, board_id, state,
      newest_id, matches,
      case when kind = 'task' then (select description from tasks where tasks.id = task_id) end as description
    from page order by rank desc, page.id desc`);
  const isCapped = (rows[0]?.matches ?? 0) > maxRanked || (isCommon && (await hasOlder(tx, isBefore)));
  return { rows, isCapped };
}

/** Whether there are more documents than the newest ones. */
async function hasOlder(tx: Executor, isBefore: SQL): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select id from search_documents where ${isBefore} order by id desc offset ${maxRecent} limit 1`);
  return rows.length > 0;
}

/** Whether the newest documents have enough matches for several pages. */
async function matchesOften(tx: Executor, newest: SQL, options: MatchOptions): Promise<boolean> {
  const { rows } = await tx.execute<{ matches: number }>(sql`
    select count(*)::int as matches from (
      select from ${createVisible(newest, options)} limit ${minRecentMatches}
    ) counted`);
  return (rows[0]?.matches ?? 0) >= minRecentMatches;
}

/** Documents with the words, joined with their tasks if the person may see them. */
const createVisible = (source: SQL, { scope, expression, conditions }: MatchOptions): SQL => sql`${source}
  -- The offset keeps the planner from joining all tasks: only those of the matches are read.
  cross join lateral (
    select tasks.title, tasks.board_id, tasks.state, tasks.agent_type
    from tasks join boards on boards.id = tasks.board_id
    where tasks.id = document.task_id and ${isVisibleTask(scope)} offset 0
  ) tasks
  where document.words @@ ${expression}::tsquery and ${sql.join([sql`true`, ...conditions], sql` and `)}`;

function createConditions({ kind, state, agent_type, since, until }: SearchFilter): SQL[] {
  const states = toList(state);
  return [
    kind && sql`document.kind = ${kind}`,
    states && sql`tasks.state = any(${sql.param(states)}::text[])`,
    agent_type === undefined ? undefined : sql`tasks.agent_type = ${agent_type}`,
    since === undefined ? undefined : sql`document.created_at >= ${since}::timestamptz`,
    until === undefined ? undefined : sql`document.created_at < ${until}::timestamptz`,
  ].filter((condition) => condition !== undefined);
}

/** Whether PostgreSQL ended a statement because it took too long. */
function isTimeout(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if ("code" in one && one.code === "57014") return true;
  return false;
}
