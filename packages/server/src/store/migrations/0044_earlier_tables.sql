ALTER TABLE "organizations" ADD COLUMN "kubernetes_namespace" varchar(63);--> statement-breakpoint
ALTER TABLE "organizations" ADD COLUMN "resource_quota" jsonb;--> statement-breakpoint
ALTER TABLE "runners" ADD COLUMN "place" jsonb;--> statement-breakpoint
CREATE INDEX "denied_hosts_last" ON "denied_hosts" USING btree ("last_at","task_id","entry");--> statement-breakpoint
CREATE INDEX "model_requests_run" ON "model_requests" USING btree ("run_id","settled_at");--> statement-breakpoint
ALTER TABLE "organizations" ADD CONSTRAINT "organizations_kubernetes_namespace_unique" UNIQUE("kubernetes_namespace");
--> statement-breakpoint
create schema if not exists sandbox;
--> statement-breakpoint
comment on schema sandbox is 'The tables of an earlier system, for scripts that read them. They are views: nothing writes to them.';
--> statement-breakpoint
create or replace view sandbox.freelancers as
  select u.id, u.email, home.kubernetes_namespace, u.created_at, u.updated_at
  from users u
  left join lateral (
    select o.kubernetes_namespace
    from memberships m join organizations o on o.id = m.organization_id
    where m.user_id = u.id
    order by m.created_at, o.id
    limit 1
  ) home on true
  where not u.is_service;
--> statement-breakpoint
create or replace view sandbox.clients as
  select id, name, kubernetes_namespace, resource_quota, created_at from organizations;
--> statement-breakpoint
create or replace view sandbox.sandbox_configs as
  select n.id, coalesce(n.owner_id, r.user_id, t.created_by) as freelancer_id,
    coalesce(n.organization_id, b.organization_id) as client_id,
    n.tier as resource_tier, n.image as custom_image_tag,
    n.place ->> 'workspace' as pvc_workspace, n.place ->> 'home' as pvc_home,
    coalesce((n.resources ->> 'storage_gb')::int,
      ceil(pg_size_bytes((r.resource_limits ->> 'disk') || 'b') / 1073741824.0)::int, 50) as max_storage_gb,
    case when n.place is null then null else jsonb_build_object(
      'kind', case when n.place ? 'workspace' then 'StatefulSet' else 'Pod' end,
      'metadata', jsonb_build_object('name', 'runner-' || n.id, 'namespace', n.place ->> 'namespace')
    ) end as kubernetes_manifest,
    n.created_at, n.updated_at
  from runners n
  left join boards b on b.id = n.board_id
  left join lateral (
    select user_id, task_id, resource_limits from runs where runner_id = n.id order by created_at desc, id desc limit 1
  ) r on true
  left join tasks t on t.id = r.task_id;
--> statement-breakpoint
create or replace view sandbox.sessions as
  select r.id, r.user_id as freelancer_id, b.organization_id as client_id,
    n.place ->> 'pod' as pod_name, n.place ->> 'namespace' as namespace,
    r.started_at, r.stopped_at as ended_at, k.model_route as api_key_secret_ref,
    jsonb_build_object(
      'cpu_seconds', coalesce(h.cpu_ms, 0) / 1000.0, 'running_seconds', coalesce(h.running_ms, 0) / 1000.0,
      'memory_mib_seconds', coalesce(h.memory_mib_seconds, 0)
    ) as resource_usage,
    case when r.status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED') then 'active' else lower(r.status) end as status
  from runs r
  left join boards b on b.id = r.board_id
  left join runners n on n.id = r.runner_id
  left join lateral (
    select model_route from agent_types
    where name = r.agent_type and (organization_id = b.organization_id or organization_id is null)
    order by organization_id nulls last
    limit 1
  ) k on true
  left join lateral (
    select sum(cpu_ms) as cpu_ms, sum(running_ms) as running_ms, sum(memory_mib_seconds) as memory_mib_seconds
    from runner_hours where run_id = r.id
  ) h on true;
--> statement-breakpoint
create or replace view sandbox.usage_tracking as
  select q.id, q.run_id as session_id, q.settled_at as "timestamp", 'model_' || q.kind as event_type,
    q.input_tokens + q.cached_tokens + q.cache_write_tokens as prompt_tokens, q.output_tokens as completion_tokens,
    t.prompt as command,
    jsonb_build_object('route', q.route, 'model', q.model, 'status', q.status, 'duration_ms', q.duration_ms,
      'cost_micro_usd', q.cost) as metadata
  from model_requests q
  left join turns t on t.id = q.turn_id;
