import { type Envelope, type EventData, type EventType, getEnvelopeType, maxPublishedBytes } from "@wharf/contract";
import { sql } from "drizzle-orm";
import { type Database, maxPageBytes } from "../../store/index.ts";

/** An event at its position. */
export interface PublishedEvent {
  readonly seq: number;
  readonly organization_id: string;
  readonly board_id: string;
  /** Absent if the event's task was deleted. */
  readonly envelope?: Envelope;
}

/** Which events a reader wants: those of one board, or of one organisation. */
export interface PublishedFilter {
  readonly organization_id: string;
  readonly board_id?: string | undefined;
}

export interface PublishedPage {
  readonly after: number;
  readonly limit: number;
  readonly filter?: PublishedFilter;
}

/** The positions that readers may be at. */
export interface PublishedBounds {
  /** The last position that was removed, or 0. */
  readonly removed: number;
  readonly last: number;
}

interface PublishedRow extends Record<string, unknown> {
  readonly position: number;
  readonly organization_id: string;
  readonly board_id: string;
  readonly task_id: string;
  readonly seq: number | null;
  readonly created_at: string;
  readonly type: EventType | null;
  readonly timestamp: string | null;
  readonly run_id: string | null;
  readonly kind_data: EventData | null;
  readonly data: EventData | null;
}

const toIsoText = (column: string) => sql.raw(`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/**
 * Reads the events after a position, up to a limit or to 1 MiB: only an empty page marks the end.
 */
export async function readPublished(
  db: Database,
  { after: cursor, limit, filter }: PublishedPage,
): Promise<PublishedEvent[]> {
  const isWanted = filter?.board_id
    ? sql`board_id = ${filter.board_id}`
    : filter
      ? sql`organization_id = ${filter.organization_id}`
      : sql`true`;
  const { rows } = await db.execute<PublishedRow>(sql`
    with page as (
      select * from published_events where position > ${cursor} and ${isWanted} order by position limit ${limit}
    ), sized as (
      select page.*, events.type, events.timestamp, events.run_id, events.data,
        greatest(events.bytes, pg_column_size(events.data)) as size
      from page
      left join tasks on tasks.id = page.task_id and tasks.deleted_at is null
      left join events on events.task_id = tasks.id and events.seq = page.seq
    ), cut as (
      select sized.*, sum(least(size, ${maxPublishedBytes})) over (order by position) as read_bytes from sized
    )
    select position::float8 as position, organization_id, board_id, task_id, seq::float8 as seq,
      ${toIsoText("created_at")} as created_at, type, ${toIsoText('"timestamp"')} as "timestamp", run_id,
      case when size > ${maxPublishedBytes}
        then jsonb_strip_nulls(jsonb_build_object('kind', data -> 'kind', 'entity', data -> 'entity',
          'from', data -> 'from', 'to', data -> 'to'))
      end as kind_data,
      case when size <= ${maxPublishedBytes} then data end as data
    from cut
    where coalesce(read_bytes, 0) - coalesce(least(size, ${maxPublishedBytes}), 0) < ${maxPageBytes}
    order by position`);
  return rows.map(toPublishedEvent);
}

/** Reads the first and the last position that a reader may be at. */
export async function readPublishedBounds(db: Database): Promise<PublishedBounds> {
  const { rows } = await db.execute<{ removed: number; last: number }>(sql`
    select published_position.position::float8 as last, coalesce(
      (select position - 1 from published_events where position is not null order by position limit 1),
      published_position.position)::float8 as removed
    from published_position`);
  return rows[0] ?? { removed: 0, last: 0 };
}

function toPublishedEvent(row: PublishedRow): PublishedEvent {
  const { position, organization_id, board_id } = row;
  const envelope = row.seq === null ? createDeletion(row) : createEnvelope(row);
  return { seq: position, organization_id, board_id, ...(envelope && { envelope }) };
}

function createEnvelope(row: PublishedRow): Envelope | undefined {
  const { type, timestamp, run_id, task_id, board_id, seq, data, kind_data } = row;
  const shownData = data ?? kind_data;
  if (type === null || timestamp === null || seq === null || shownData === null) return undefined;
  return {
    id: String(row.position),
    type: getEnvelopeType({ type, data: shownData }),
    source: "wharf",
    timestamp,
    data: {
      task_id,
      board_id,
      ...(run_id !== null && { agent_id: run_id }),
      seq,
      type,
      timestamp,
      ...(data !== null && { data }),
    },
  };
}

const createDeletion = ({ position, task_id, board_id, created_at: timestamp }: PublishedRow): Envelope => ({
  id: String(position),
  type: "task.deleted",
  source: "wharf",
  timestamp,
  data: { task_id, board_id, type: "status", timestamp },
});
