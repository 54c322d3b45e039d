import { type SQL, sql } from "drizzle-orm";

/** The limits of users, boards and organizations for which no person set one. */
export interface DefaultRunLimits {
  readonly perUser?: number | undefined;
  readonly perBoard?: number | undefined;
  readonly perOrganization?: number | undefined;
}

/** The tasks that a task still waits for, as the end of a `select`. */
export const selectOpenDependencies = (taskId: SQL): SQL => sql`
  from task_dependencies
  left join tasks needed on needed.id = task_dependencies.depends_on_id and needed.deleted_at is null
  where task_dependencies.task_id = ${taskId} and needed.state is distinct from 'COMPLETED'`;

/**
 * The order in which waiting runs get slots, as common table expressions that end with `queue`. The
 * claim and the list of the queue both use it, so a list shows what the next claim takes.
 *
 * The highest priority goes first. Within a priority, the next slot goes to the organization that
 * uses the fewest slots, in it to the user who uses the fewest, and then to the run that has waited
 * longest. Of two users without a slot, the one who was given the last one longer ago is first:
 * otherwise the user with the oldest runs would get each slot of a server with only one. The same
 * holds for organizations. A run that gets a slot counts for the runs behind it: `user_turn` is
 * the number of slots that the user will use with this run, and `organization_turn` that of the
 * organization. So a user with many waiting runs delays another user's first one by no more than
 * one slot.
 *
 * A run that a person put first takes the highest priority of its organization's waiting runs and
 * goes before them, but not before those of other organizations.
 *
 * `hold` names what a run waits for besides a slot, such as a limit that is reached. Such a run has
 * no position, and does not count for others.
 * An organization cannot raise its limit above the server's.
 */
export const createQueueOrder = ({ perUser, perBoard, perOrganization }: DefaultRunLimits): SQL => sql`
  slots as materialized (
    select runs.user_id, runs.board_id, runs.tier, boards.organization_id
    from runs join boards on boards.id = runs.board_id
    where runs.slot
  ),
  user_slots as (select organization_id, user_id, count(*)::int as n from slots group by organization_id, user_id),
  board_slots as (select board_id, count(*)::int as n from slots group by board_id),
  organization_slots as (select organization_id, count(*)::int as n from slots group by organization_id),
  organization_times as (select organization_id, max(given_at) as given_at from slot_times group by organization_id),
  tier_slots as (select organization_id, tier, count(*)::int as n from slots group by organization_id, tier),
  entries as materialized (
    select runs.id, runs.task_id, runs.board_id, runs.user_id, runs.agent_type, runs.tier, runs.resource_limits,
      runs.runner_id, runs.priority, runs.queued_at, runs.next_attempt_at, runs.is_first,
      runs.waits_for_tasks, boards.organization_id,
      slot_times.given_at as user_slot_at,
      organization_times.given_at as organization_slot_at,
      coalesce(user_slots.n, 0) as user_slots,
      coalesce(board_slots.n, 0) as board_slots,
      coalesce(organization_slots.n, 0) as organization_slots,
      coalesce(tier_slots.n, 0) as tier_slots,
      coalesce(user_limits.max_runs, ${perUser ?? null}::int) as user_limit,
      coalesce(board_limits.max_runs, ${perBoard ?? null}::int) as board_limit,
      least(organization_limits.max_runs, ${perOrganization ?? null}::int) as organization_limit,
      tier_limits.max_runs as tier_limit
    from runs
    join boards on boards.id = runs.board_id
    left join user_slots on user_slots.organization_id = boards.organization_id
      and user_slots.user_id is not distinct from runs.user_id
    left join board_slots on board_slots.board_id = runs.board_id
    left join organization_slots on organization_slots.organization_id = boards.organization_id
    left join slot_times on slot_times.organization_id = boards.organization_id and slot_times.user_id = runs.user_id
    left join organization_times on organization_times.organization_id = boards.organization_id
    left join tier_slots on tier_slots.organization_id = boards.organization_id and tier_slots.tier = runs.tier
    left join run_limits user_limits on user_limits.target_id = runs.user_id
      and user_limits.organization_id = boards.organization_id
    left join run_limits board_limits on board_limits.target_id = runs.board_id
      and board_limits.organization_id = boards.organization_id
    left join run_limits organization_limits on organization_limits.target_id = boards.organization_id
      and organization_limits.organization_id = boards.organization_id and organization_limits.tier is null
    left join run_limits tier_limits on tier_limits.target_id = boards.organization_id
      and tier_limits.organization_id = boards.organization_id and tier_limits.tier = runs.tier
    where runs.queued_at is not null
  ),
  waiting as materialized (
    select *, case
      when waits_for_tasks and exists (select ${selectOpenDependencies(sql`entries.task_id`)}) then 'dependency'
      when next_attempt_at > now() then 'retry'
      when board_slots >= board_limit then 'board_limit'
      when user_slots >= user_limit then 'user_limit'
      when tier_slots >= tier_limit then 'tier_limit'
      when organization_slots >= organization_limit then 'organization_limit'
    end as hold
    from entries
  ),
  eligible as (
    select *, case when is_first then max(priority) over (partition by organization_id) else priority end as rank
    from waiting where hold is null
  ),
  by_user as (
    select *, user_slots + row_number() over (
      partition by organization_id, user_id order by rank desc, is_first desc, queued_at, id) as user_turn
    from eligible
  ),
  by_organization as (
    select *, organization_slots + row_number() over (
      partition by organization_id order by rank desc, is_first desc, user_turn,
        case when user_turn = 1 then user_slot_at end nulls first, queued_at, id) as organization_turn
    from by_user
  ),
  queue as (
    select *, row_number() over (order by rank desc, organization_turn,
      case when organization_turn = 1 then organization_slot_at end nulls first, queued_at, id)::int as position
    from by_organization
  )`;
