import { sql } from "drizzle-orm";
import { type Database, schema } from "../../store/index.ts";

const { published_position } = schema;

/** Maximum number of events that get their position in one transaction. */
const maxNumbered = 1_000;

/**
 * Gives the committed events that have no position the next ones, in the order of their numbers,
 * and returns the last position. The events may be those of any process. The lock of the single row
 * is held until the commit, so positions become visible in their order.
 */
export async function numberPublished(db: Database): Promise<number> {
  for (;;) {
    const { position, count } = await db.transaction(async (tx) => {
      await tx.execute(sql`select from ${published_position} for update`);
      const { rows } = await tx.execute<{ position: number; count: number }>(sql`
        with waiting as (
          select id, row_number() over (order by id) as place
          from (select id from published_events where position is null order by id limit ${maxNumbered}) as oldest
        ), numbered as (
          update published_events set position = published_position.position + waiting.place
          from waiting, published_position
          where published_events.id = waiting.id
        ), counted as (
          select count(*) as count from waiting
        )
        update published_position set position = position + counted.count from counted
        returning position::float8 as position, counted.count::int as count`);
      return rows[0] ?? { position: 0, count: 0 };
    });
    if (count < maxNumbered) return position;
  }
}
