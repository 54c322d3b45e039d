import { sql } from "drizzle-orm";

/**
 * The order in which waiting runs get slots, as common table expressions that end with `queue`. The
 * claim and the list of the queue both use it, so a list shows what the next claim takes.
 *
 * The highest priority goes first. Within a priority, the next slot goes to the organization that
 * uses the fewest slots, in it to the user who uses the fewest, and then to the run that has waited
 * longest. A run that gets a slot counts for the runs behind it: `user_turn` is the number of slots
 * that the user will use with this run, and `organization_turn` that of the organization. So a user
 * with many waiting runs delays another user's first one by no more than one slot.
 *
 * `hold` names what a run waits for besides a slot. Such a run has no position, and does not count
 * for others.
 */
export const queueOrder = sql`
  slots as materialized (
    select runs.user_id, boards.organization_id
    from runs join boards on boards.id = runs.board_id
    where runs.slot
  ),
  user_slots as (select organization_id, user_id, count(*)::int as n from slots group by organization_id, user_id),
  organization_slots as (select organization_id, count(*)::int as n from slots group by organization_id),
  waiting as materialized (
    select runs.id, runs.task_id, runs.board_id, runs.user_id, runs.agent_type, runs.runner_id, runs.priority,
      runs.queued_at, runs.next_attempt_at, boards.organization_id,
      coalesce(user_slots.n, 0) as user_slots,
      coalesce(organization_slots.n, 0) as organization_slots,
      case when runs.next_attempt_at > now() then 'retry' end as hold
    from runs
    join boards on boards.id = runs.board_id
    left join user_slots on user_slots.organization_id = boards.organization_id
      and user_slots.user_id is not distinct from runs.user_id
    left join organization_slots on organization_slots.organization_id = boards.organization_id
    where runs.queued_at is not null
  ),
  by_user as (
    select *, user_slots + row_number() over (
      partition by organization_id, user_id order by priority desc, queued_at, id) as user_turn
    from waiting where hold is null
  ),
  by_organization as (
    select *, organization_slots + row_number() over (
      partition by organization_id order by priority desc, user_turn, queued_at, id) as organization_turn
    from by_user
  ),
  queue as (
    select *, row_number() over (order by priority desc, organization_turn, queued_at, id)::int as position
    from by_organization
  )`;
