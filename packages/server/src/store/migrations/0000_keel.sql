CREATE TABLE "boards" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"name" varchar(255) NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"owner_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "organizations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" varchar(255) NOT NULL,
	"slug" varchar(63) NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "organizations_slug_unique" UNIQUE("slug")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"email" varchar(255) NOT NULL,
	"username" varchar(100) NOT NULL,
	"password_hash" text,
	"role" text DEFAULT 'member' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email"),
	CONSTRAINT "users_username_unique" UNIQUE("username")
);
--> statement-breakpoint
CREATE TABLE "agent_types" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" varchar(100) NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"command" jsonb NOT NULL,
	"protocol" text DEFAULT 'acp' NOT NULL,
	"model_route" text,
	"docker_image" text,
	"docker_tag" text DEFAULT 'latest' NOT NULL,
	"default_resources" jsonb NOT NULL,
	"environment_vars" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"home_files" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"capabilities" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "agent_types_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "permissions" (
	"run_id" uuid NOT NULL,
	"permission_id" text NOT NULL,
	"task_id" uuid NOT NULL,
	"state" text DEFAULT 'ASKED' NOT NULL,
	"option_id" text,
	"answered_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "permissions_run_id_permission_id_pk" PRIMARY KEY("run_id","permission_id")
);
--> statement-breakpoint
CREATE TABLE "pushes" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"run_id" uuid NOT NULL,
	"sha" text NOT NULL,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp with time zone DEFAULT now() NOT NULL,
	"error_message" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runners" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" varchar(100),
	"organization_id" uuid,
	"owner_id" uuid,
	"environment" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"resources" jsonb,
	"backend" text NOT NULL,
	"tier" text NOT NULL,
	"state" text DEFAULT 'CREATING' NOT NULL,
	"desired" text DEFAULT 'READY' NOT NULL,
	"isolation" text,
	"wire_epoch" bigint DEFAULT 0 NOT NULL,
	"journal_epoch" text,
	"journal_cursor" bigint DEFAULT 0 NOT NULL,
	"error_message" text,
	"pool_key" text,
	"pool_owner" text,
	"pool_expires_at" timestamp with time zone,
	"programs" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"request_id" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "runners_request_id_unique" UNIQUE("request_id")
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"task_id" uuid NOT NULL,
	"agent_type" text NOT NULL,
	"runner_id" uuid,
	"status" text DEFAULT 'PENDING' NOT NULL,
	"phase" text,
	"desired" text DEFAULT 'RUN' NOT NULL,
	"stop_status" text,
	"stop_reason" text,
	"queued_at" timestamp with time zone,
	"slot" boolean DEFAULT false NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"attempt" integer DEFAULT 1 NOT NULL,
	"next_attempt_at" timestamp with time zone,
	"deadline" timestamp with time zone,
	"lease_owner" text,
	"lease_epoch" bigint DEFAULT 0 NOT NULL,
	"lease_expires_at" timestamp with time zone,
	"repository_id" text,
	"session_id" text,
	"prompted" boolean DEFAULT false NOT NULL,
	"exit_code" integer,
	"error_code" text,
	"error_message" text,
	"resource_limits" jsonb,
	"started_at" timestamp with time zone,
	"stopped_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "runs_status" CHECK (status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'STOPPED'))
);
--> statement-breakpoint
CREATE TABLE "tasks" (
	"id" uuid PRIMARY KEY NOT NULL,
	"board_id" uuid NOT NULL,
	"title" varchar(500) NOT NULL,
	"description" text NOT NULL,
	"state" text DEFAULT 'TODO' NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"agent_type" text,
	"repository_url" text,
	"branch" text,
	"shadow_branch" text NOT NULL,
	"base_commit_sha" text,
	"assigned_agent_id" uuid,
	"agent_mode" text,
	"agent_model" text,
	"permission_policy" text DEFAULT 'ask' NOT NULL,
	"interrupt_policy" text DEFAULT 'ask' NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"created_by" uuid,
	"started_at" timestamp with time zone,
	"completed_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tasks_state" CHECK (state in ('TODO', 'IN_PROGRESS', 'BLOCKED', 'REVIEW', 'COMPLETED', 'FAILED', 'CANCELLED'))
);
--> statement-breakpoint
CREATE TABLE "turns" (
	"id" uuid PRIMARY KEY NOT NULL,
	"task_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"state" text DEFAULT 'QUEUED' NOT NULL,
	"place" integer DEFAULT 0 NOT NULL,
	"cancel_asked" boolean DEFAULT false NOT NULL,
	"prompt" text NOT NULL,
	"attachments" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"stop_reason" text,
	"created_by" uuid,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "turns_state" CHECK (state in ('QUEUED', 'RUNNING', 'ENDED', 'CANCELLED', 'INTERRUPTED'))
);
--> statement-breakpoint
CREATE TABLE "events" (
	"task_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"id" bigserial NOT NULL,
	"run_id" uuid,
	"type" text NOT NULL,
	"kind" text NOT NULL,
	"data" jsonb NOT NULL,
	"timestamp" timestamp with time zone NOT NULL,
	"journal_epoch" text,
	"journal_seq" bigint,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "events_task_id_seq_pk" PRIMARY KEY("task_id","seq")
);
--> statement-breakpoint
ALTER TABLE "boards" ADD CONSTRAINT "boards_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "boards" ADD CONSTRAINT "boards_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "permissions" ADD CONSTRAINT "permissions_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "permissions" ADD CONSTRAINT "permissions_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "permissions" ADD CONSTRAINT "permissions_answered_by_users_id_fk" FOREIGN KEY ("answered_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pushes" ADD CONSTRAINT "pushes_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pushes" ADD CONSTRAINT "pushes_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runners" ADD CONSTRAINT "runners_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runners" ADD CONSTRAINT "runners_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "turns" ADD CONSTRAINT "turns_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "turns" ADD CONSTRAINT "turns_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "turns" ADD CONSTRAINT "turns_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "permissions_task" ON "permissions" USING btree ("task_id");--> statement-breakpoint
CREATE INDEX "runners_owner" ON "runners" USING btree ("owner_id","created_at" DESC NULLS LAST) WHERE owner_id is not null;--> statement-breakpoint
CREATE INDEX "runners_pool" ON "runners" USING btree ("pool_key","created_at") WHERE pool_key is not null;--> statement-breakpoint
CREATE INDEX "runs_task" ON "runs" USING btree ("task_id");--> statement-breakpoint
CREATE INDEX "runs_by_status" ON "runs" USING btree ("status");--> statement-breakpoint
CREATE INDEX "runs_runner" ON "runs" USING btree ("runner_id");--> statement-breakpoint
CREATE INDEX "runs_queue" ON "runs" USING btree ("priority" DESC NULLS LAST,"queued_at") WHERE queued_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "runs_one_at_work" ON "runs" USING btree ("task_id") WHERE status in ('PENDING', 'STARTING', 'RUNNING', 'PAUSED');--> statement-breakpoint
CREATE INDEX "tasks_board" ON "tasks" USING btree ("board_id");--> statement-breakpoint
CREATE INDEX "tasks_by_state" ON "tasks" USING btree ("state");--> statement-breakpoint
CREATE INDEX "tasks_agent" ON "tasks" USING btree ("assigned_agent_id");--> statement-breakpoint
CREATE INDEX "turns_task" ON "turns" USING btree ("task_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "turns_one_running" ON "turns" USING btree ("task_id") WHERE state = 'RUNNING';--> statement-breakpoint
CREATE UNIQUE INDEX "events_identity" ON "events" USING btree ("run_id","journal_epoch","journal_seq");--> statement-breakpoint
CREATE INDEX "events_created" ON "events" USING btree ("created_at");--> statement-breakpoint
create view "agent_instances" as
  select r.id, r.task_id, r.agent_type, r.runner_id::text as container_id, n.name as container_name, r.status,
    null::text as image_name, r.started_at, r.stopped_at, r.exit_code, r.error_message, r.resource_limits, r.created_at, r.updated_at
  from runs r left join runners n on n.id = r.runner_id;
--> statement-breakpoint
create view "agent_logs" as
  select e.id, e.run_id as agent_instance_id,
    coalesce(e.data ->> 'level', case e.type when 'error' then 'error' else 'info' end) as log_level,
    coalesce(e.data ->> 'text', e.data ->> 'message', e.data ->> 'title', e.kind) as message, e.data as metadata, e.created_at
  from events e where e.run_id is not null;
--> statement-breakpoint
create view "task_events" as
  select e.id, e.task_id, e.kind as event_type, e.data ->> 'from' as old_state, e.data ->> 'to' as new_state, e.data as metadata,
    e.created_by, e.created_at
  from events e where e.run_id is null or (e.kind = 'state' and e.data ->> 'entity' = 'task');
