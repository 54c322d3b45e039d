/**
 * Returns the query for what a new budget starts with: the requests since a time that are settled,
 * and those that are open. The transaction must have locked `model_reservations` against changes
 * before: a request that is settled meanwhile would count in both or in none.
 */
export const createInitialUsage = (isOwn: string, start: string): string => `
  select
    (select coalesce(sum(cost), 0) from usage_hours where ${isOwn} and hour >= ${start}) as spent,
    (select coalesce(sum(reserved_cost), 0) from model_reservations
      where ${isOwn} and reserved_at >= ${start}) as reserved`;
