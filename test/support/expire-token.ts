import { join } from "node:path";
import pg from "pg";

/** Moves the end of an access token to seconds from now: a person cannot choose less than a day. */
export async function expireToken({ data }: { readonly data: string }, id: string, seconds: number): Promise<void> {
  const db = new pg.Client({ host: join(data, "postgres", "socket"), user: "wharf", database: "postgres" });
  await db.connect();
  await db.query("update access_tokens set expires_at = now() + make_interval(secs => $2) where id = $1", [
    id,
    seconds,
  ]);
  await db.end();
}
