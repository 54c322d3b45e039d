import { randomUUID } from "node:crypto";
import type { VisibilityScope } from "../src/access/index.ts";
import { schema } from "../src/store/index.ts";
import type { Fixture } from "./fixture.ts";

/** A member of an organization, with a board. */
export interface Person extends VisibilityScope {
  readonly board_id: string;
  readonly username: string;
}

/** Creates a user with a board, in the owner's organization or in another one. */
export async function addPerson(f: Fixture, name: string, organizationId?: string): Promise<Person> {
  const { board_members, boards, memberships, organizations, users } = schema;
  const organization_id = organizationId ?? f.owner.organization_id;
  const user_id = randomUUID();
  const board_id = randomUUID();
  await f.db
    .insert(organizations)
    .values({ id: organization_id, name: organization_id, slug: organization_id })
    .onConflictDoNothing();
  await f.db.insert(users).values({ id: user_id, email: `${name}@localhost`, username: name });
  await f.db.insert(memberships).values({ organization_id, user_id, role: "member" });
  await f.db.insert(boards).values({ id: board_id, organization_id, owner_id: user_id, name: `${name}'s board` });
  await f.db.insert(board_members).values({ board_id, user_id, role: "owner" });
  return { user_id, username: name, organization_id, board_id, role: "member" };
}

/** Creates tasks of a person whose runs wait for a slot, the oldest first; returns the runs' ids. */
export async function addWaitingRuns(
  f: Fixture,
  { user_id, board_id }: Person,
  { count = 1, priority = 0 }: { count?: number; priority?: number } = {},
): Promise<string[]> {
  const { rows } = await f.pool.query<{ id: string }>(
    `with t as (
       insert into tasks (id, board_id, title, description, shadow_branch, repository_url, state, created_by)
       select gen_random_uuid(), $1, 'Task ' || n, 'do it', 'shadow/' || gen_random_uuid(), '/srv/repository',
         'IN_PROGRESS', $2
       from generate_series(1, $3::int) n returning id
     ), numbered as (select id, row_number() over () as n from t)
     insert into runs (id, task_id, board_id, user_id, agent_type, priority, queued_at)
     select gen_random_uuid(), id, $1, $2, 'demo', $4, clock_timestamp() + make_interval(secs => n * 1e-6) from numbered
     returning id`,
    [board_id, user_id, count, priority],
  );
  return rows.map(({ id }) => id);
}
