import type { Client, Pool } from "pg";

export interface SeedSizes {
  /** Number of events in one task. */
  readonly events: number;
  /** Number of tasks on one board, each with two runs. */
  readonly tasks: number;
  readonly runners: number;
}

/** The sizes up to which no operation may slow down unnecessarily. */
export const sizes: SeedSizes = { events: 1_000_000, tasks: 100_000, runners: 10_000 };

const logTables = [
  "tasks",
  "task_dependencies",
  "runs",
  "turns",
  "events",
  "published_events",
  "runners",
  "permissions",
  "pushes",
  "task_comments",
  "search_documents",
  "search_positions",
  "search_queue",
];
const loginTables = ["sessions", "login_links", "login_challenges", "idempotency_keys", "stream_tickets"];
const usageTables = [
  "budgets",
  "model_requests",
  "usage_hours",
  "runner_hours",
  "runner_counters",
  "runner_disks",
  "host_usage",
];

export interface Seeded {
  readonly ownerId: string;
  readonly boardId: string;
  /** The task with the long log, which uses the given repository. */
  readonly taskId: string;
}

/**
 * Fills a migrated database to which a server has already added its owner and its board. All rows
 * are at rest or belong to another server, so that a server on this database has nothing to take
 * over.
 */
export async function seedGrowth(
  /** A single connection. */
  pool: Pick<Pool | Client, "query">,
  { events, tasks, runners }: SeedSizes,
  repository: string,
): Promise<Seeded> {
  const { rows } = await pool.query<{ owner: string; board: string }>(
    "select users.id as owner, boards.id as board from users join boards on boards.owner_id = users.id limit 1",
  );
  const { owner = "", board = "" } = rows[0] ?? {};
  const run = (text: string, values: unknown[] = []) => pool.query(text, values);
  // Disable foreign key checks: the rows are correct, and the checks take most of the time.
  await run("set session_replication_role = replica");
  await run(
    `insert into tasks (id, board_id, title, description, shadow_branch, state, created_by, metadata, created_at, updated_at)
     select gen_random_uuid(), $1, 'Task ' || n, repeat('Do it. ', 40), 'shadow/task-' || n,
       (array['TODO', 'REVIEW', 'COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED', 'CANCELLED'])[1 + n % 7], $2,
       '{"source": "seed"}', now() - make_interval(secs => n), now()
     from generate_series(1, $3::int) n`,
    [board, owner, tasks],
  );
  await seedRunners(run, { owner, board, runners });
  await seedRuns(run, owner);
  await seedUsage(run);
  await seedLogins(run, owner);
  await seedChallenges(run);
  await seedRequests(run, owner);
  await seedTickets(run);
  const { rows: made } = await pool.query<{ id: string }>(
    `insert into tasks (id, board_id, title, description, shadow_branch, repository_url, state, agent_type, created_by, last_seq)
     values (gen_random_uuid(), $1, 'The long one', 'demo: say hello', 'shadow/task-long', $2, 'REVIEW', 'demo', $3, $4)
     returning id`,
    [board, repository, owner, events],
  );
  const taskId = made[0]?.id ?? "";
  await seedEvents(run, { taskId, board, events });
  await seedComments(run, owner);
  await run("set session_replication_role = origin");
  for (const table of [...logTables, ...usageTables, ...loginTables]) await run(`vacuum analyze ${table}`);
  return { ownerId: owner, boardId: board, taskId };
}

type Run = (text: string, values?: unknown[]) => Promise<unknown>;

/**
 * Of each ten runners, a person created one, one is running, four are at rest, and four are gone.
 */
async function seedRunners(
  run: Run,
  { owner, board, runners }: { owner: string; board: string; runners: number },
): Promise<void> {
  await run(
    `insert into runners (id, owner_id, organization_id, board_id, backend, tier, state, desired, created_at)
     select gen_random_uuid(), case when n % 10 = 0 then $1::uuid end,
       case when n % 10 = 0 then (select organization_id from boards where id = $2) end, case when n % 10 > 0 then $2::uuid end, 'mock', 'small',
       state, state, now() - make_interval(secs => n)
     from generate_series(1, $3::int) n
       cross join lateral (select (array['STOPPED', 'READY', 'STOPPED', 'STOPPED', 'STOPPED', 'STOPPED', 'DESTROYED',
         'DESTROYED', 'DESTROYED', 'DESTROYED'])[1 + n % 10] as state) s`,
    [owner, board, runners],
  );
  await run(`insert into runner_counters (runner_id, launch, cpu_ms, running_ms, memory_bytes, sampled_at)
    select id, 'first', 1, 1, 1, now() from runners where state <> 'DESTROYED'`);
}

/**
 * Creates two runs of each task with a turn, a permission and a push; one of every hundred tasks
 * has a run that another server drives.
 */
async function seedRuns(run: Run, owner: string): Promise<void> {
  await run(`create temporary table numbered as
    select id, board_id, created_at, row_number() over (order by created_at desc) as n from tasks`);
  await run(`create temporary table used as
    select id, row_number() over (order by created_at) as n, count(*) over () as many from runners where owner_id is null`);
  await run("create index on used (n); analyze used");
  await run(`
    insert into runs (id, task_id, board_id, agent_type, runner_id, status, slot, session_id, prompted, created_at, updated_at)
    select gen_random_uuid(), t.id, t.board_id, 'demo', used.id,
      case when is_live then 'RUNNING' else (array['COMPLETED', 'FAILED', 'STOPPED'])[1 + t.n % 3] end,
      is_live and t.n % 10000 = 0, 'session', true, t.created_at + make_interval(mins => i), now()
    from numbered t cross join generate_series(1, 2) i
      cross join lateral (select i = 2 and t.n % 100 = 0 as is_live) l
      left join used on used.n = 1 + (t.n * 2 + i) % (select max(many) from used)`);
  // These runs wait for their next attempt, so no server takes them in the meantime.
  await run(`
    insert into runs (id, task_id, board_id, agent_type, status, queued_at, next_attempt_at, priority, created_at)
    select gen_random_uuid(), id, board_id, 'demo', 'PENDING', created_at, now() + interval '1 day', n % 11, created_at
    from numbered where n % 100 = 50`);
  await run(
    `insert into turns (id, task_id, run_id, state, prompt, prompt_seq, created_by, created_at, started_at, ended_at)
     select gen_random_uuid(), task_id, id, 'ENDED', repeat('Go on. ', 20), 2, $1, created_at, created_at,
       created_at + interval '1 minute'
     from runs`,
    [owner],
  );
  await run(
    `insert into permissions (run_id, permission_id, task_id, state, answered_by)
     select id, 'p', task_id, 'CLOSED', $1 from runs`,
    [owner],
  );
  await run(`
    insert into pushes (task_id, run_id, runner_id, sha, state)
    select distinct on (task_id) task_id, id, runner_id, 'a', 'PUSHED' from runs order by task_id, created_at desc`);
  // Another server holds the running runners; runners at rest need no lease holder.
  await run(`
    insert into runner_leases (runner_id, server_id, epoch, expires_at, place)
    select id, case when state = 'READY' then 'elsewhere' end, 1, case when state = 'READY' then now() + interval '1 day' end,
      coalesce((select place from runner_leases limit 1), 'mock:elsewhere')
    from runners where state <> 'DESTROYED'
    on conflict do nothing`);
  // A third of the tasks waits for another one, in chains of a hundred.
  await run(`
    insert into task_dependencies (task_id, depends_on_id)
    select task.id, needed.id from numbered task join numbered needed on needed.n = task.n + 1
    where task.n % 3 = 0 or task.n between 1 and 100`);
  await run("drop table numbered, used");
}

/** Counts an hour of each run: requests to one model, and the runner's time and disk. */
async function seedUsage(run: Run): Promise<void> {
  await run(`create temporary table hours as
    select date_trunc('hour', runs.created_at) as hour, runs.id as run_id, task_id, runs.board_id, organization_id, owner_id as user_id,
      runs.agent_type, coalesce(runner_id, gen_random_uuid()) as runner_id
    from runs join boards on boards.id = runs.board_id`);
  await run(`
    insert into usage_hours (hour, run_id, route, model, organization_id, board_id, task_id, user_id, agent_type, tier,
      requests, failed_requests, estimated_requests, implausible_requests, unpriced_requests, input_tokens, cached_tokens,
      cache_write_tokens, long_cache_write_tokens, output_tokens, thinking_tokens, cost, duration_ms)
    select hour, run_id, 'openai', 'model', organization_id, board_id, task_id, user_id, agent_type, 'small',
      10, 0, 0, 0, 0, 1000, 0, 0, 0, 100, 0, 5000, 9000 from hours`);
  await run(`
    insert into model_requests (id, run_id, route, model, organization_id, board_id, task_id, user_id, request_id,
      runner_id, kind, reserved_input_tokens, reserved_output_tokens, server_id, input_tokens, cached_tokens,
      cache_write_tokens, long_cache_write_tokens, output_tokens, thinking_tokens, cost, status, duration_ms, estimated,
      settled_at)
    select gen_random_uuid(), run_id, 'openai', 'model', organization_id, board_id, task_id, user_id, 'request',
      runner_id, 'answer', 100, 10, 'elsewhere', 100, 0, 0, 0, 10, 0, 500, 200, 900, false, hour from hours`);
  await run(`
    insert into runner_hours (hour, runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, tier,
      cpu_ms, running_ms, memory_mib_seconds)
    select hour, runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, 'small', 1000, 9000, 900
    from hours`);
  // Runners that are not gone still hold their disks; some of their earlier runs held them too.
  await run(`
    insert into runner_disks (runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, tier, disk_mib,
      held_from, held_until)
    select runner_id, run_id, organization_id, board_id, task_id, user_id, agent_type, 'small', 10240, hour,
      case when n = 1 and exists (select 1 from runners where id = runner_id and state <> 'DESTROYED')
        then 'infinity' else hour + interval '1 second' end
    from (select *, row_number() over (partition by runner_id order by hour desc) as n from hours) numbered
    where n % 10 = 1`);
  await run(`
    insert into host_usage (source_id, host, organization_id, board_id, task_id, connections, bytes_in, bytes_out, first_at, last_at)
    select task_id, 'registry.example', (array_agg(organization_id))[1], (array_agg(board_id))[1], task_id, 1, 1000, 100, now(), now()
    from hours group by task_id`);
  await run(`
    insert into budgets (id, organization_id, task_id, period, amount, warn_share, action, period_start, reserved, spent)
    select gen_random_uuid(), (array_agg(organization_id))[1], task_id, 'total', 5000000, 0.8, 'pause', now() - interval '1 year',
      0, 10000
    from hours group by task_id`);
  await run("drop table hours");
}

/** Creates logins that are in use, and links that are used up. */
async function seedLogins(run: Run, owner: string): Promise<void> {
  await run(
    `insert into sessions (id, user_id, kind, method, used_at, expires_at)
     select gen_random_uuid(), $1, 'program', 'password', now() - make_interval(secs => n),
       now() + make_interval(secs => 86400 + n)
     from generate_series(1, 20000) n`,
    [owner],
  );
  await run(
    `insert into login_links (id, kind, secret_hash, user_id, created_at, expires_at, used_at)
     select gen_random_uuid(), 'login', 'seed-' || n, $1, now() - make_interval(mins => n % 20000),
       now() - make_interval(mins => n % 20000) + interval '15 minutes', now()
     from generate_series(1, 20000) n`,
    [owner],
  );
}

/** Creates steps of logins from many networks. */
async function seedChallenges(run: Run): Promise<void> {
  await run(
    `insert into login_challenges (id, kind, secret_hash, network, address, user_agent, expires_at)
     select gen_random_uuid(), 'device', 'seed-' || n, 'seed-' || n, '', '', now() + make_interval(secs => 86400 + n)
     from generate_series(1, 20000) n`,
  );
}

/** Creates requests of a day that may be repeated. */
async function seedRequests(run: Run, owner: string): Promise<void> {
  await run(
    `insert into idempotency_keys (user_id, key, fingerprint, attempt, locked_until, executed, status, body, expires_at)
     select $1, 'seed-' || n, repeat('f', 64), gen_random_uuid(), now(), true, 201, '{}', now() + make_interval(secs => 3600 + n * 4)
     from generate_series(1, 20000) n`,
    [owner],
  );
}

/** Creates two comments for each of 10,000 tasks. */
async function seedComments(run: Run, owner: string): Promise<void> {
  await run(
    `insert into task_comments (id, task_id, author_id, text)
     select gen_random_uuid(), task.id, $1, 'Comment ' || n
     from (select id from tasks limit 10000) task, generate_series(1, 2) n`,
    [owner],
  );
}

/** Creates open tickets of many people. */
async function seedTickets(run: Run): Promise<void> {
  await run(
    `insert into stream_tickets (secret_hash, user_id, organization_id, session_id, token_id, expires_at)
     select 'seed-' || n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
       now() + make_interval(secs => 86400 + n)
     from generate_series(1, 20000) n`,
  );
}

/**
 * Creates a log like that of a long conversation: mostly output, some messages, a turn for every
 * two hundred lines.
 */
async function seedEvents(
  run: Run,
  { taskId, board, events }: { taskId: string; board: string; events: number },
): Promise<void> {
  await run(
    `with made as (
       insert into runs (id, task_id, board_id, agent_type, status, session_id, prompted, stopped_at)
       values (gen_random_uuid(), $1, $2, 'demo', 'STOPPED', 'session-0', true, now()) returning id
     )
     insert into events (task_id, seq, run_id, type, kind, data, bytes, timestamp, journal_epoch, journal_seq)
     select $1, n, made.id, 'log', kind, data, 100, now(), 'seed', n
     from made cross join generate_series(1, $3::int) n
       cross join lateral (select case when n % 200 = 0 then 'turn' when n % 1000 = 1 then 'session' when n % 5000 = 7 then 'failure'
         when n % 20 = 0 then 'message' else 'output' end as kind) k
       cross join lateral (select jsonb_build_object('kind', kind) || case kind
         when 'turn' then jsonb_build_object('turn_id', gen_random_uuid(), 'status', 'started')
         when 'session' then jsonb_build_object('session_id', 'session-' || n, 'loaded', false)
         when 'failure' then jsonb_build_object('code', 'agent_exited', 'message', 'It ended.', 'next', 'Look.')
         when 'message' then jsonb_build_object('role', 'agent', 'text', 'Line ' || n)
         else jsonb_build_object('stream', 'stdout', 'text', 'Line ' || n) end as data) d`,
    [taskId, board, events],
  );
  // Half of the events belong to boards of other organisations.
  await run(
    `insert into published_events (id, position, organization_id, board_id, task_id, seq)
     select id, row_number() over (order by id), case when seq % 2 = 0 then organization_id else gen_random_uuid() end,
       case when seq % 2 = 0 then $2::uuid else gen_random_uuid() end, task_id, seq
     from events, (select organization_id from boards where id = $2::uuid) as boards where task_id = $1`,
    [taskId, board],
  );
  await seedSearch(run, { taskId, board });
  await run("update published_position set position = (select max(position) from published_events)");
}

/** Adds the words of the log, each five events in a document, and those of all tasks. */
async function seedSearch(run: Run, { taskId, board }: { taskId: string; board: string }): Promise<void> {
  // An index that is built at once takes a fraction of the time.
  await run("drop index search_documents_words");
  const labels = `array_to_tsvector(array['board:' || $1::text, 'organization:' ||
    (select organization_id from boards where id = $1::uuid)])`;
  await run(
    `insert into search_documents (task_id, kind, created_at, words)
     select id, 'task', created_at, setweight(to_tsvector('simple', title), 'A') || to_tsvector('simple', description) || ${labels}
     from tasks where board_id = $1::uuid`,
    [board],
  );
  await run(
    `insert into search_documents (task_id, kind, first_seq, last_seq, created_at, words)
     select $2::uuid, 'log', min(seq), max(seq), now(),
       to_tsvector('simple', string_agg(coalesce(data ->> 'text', data ->> 'message', ''), ' ')) || ${labels}
     from events where task_id = $2::uuid group by seq / 5`,
    [board, taskId],
  );
  await run("create index search_documents_words on search_documents using gin (words)");
  await run("insert into search_positions (task_id, seq) select id, last_seq from tasks on conflict do nothing");
  await run(
    "insert into search_queue (task_id, due_at) select id, now() + interval '1 day' from tasks on conflict do nothing",
  );
}
