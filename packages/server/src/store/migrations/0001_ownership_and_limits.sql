CREATE TABLE "dropped_branches" (
	"repository_id" text NOT NULL,
	"branch" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_attempt_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "dropped_branches_repository_id_branch_pk" PRIMARY KEY("repository_id","branch")
);
--> statement-breakpoint
CREATE TABLE "runner_leases" (
	"runner_id" uuid PRIMARY KEY NOT NULL,
	"server_id" text,
	"epoch" bigint DEFAULT 0 NOT NULL,
	"expires_at" timestamp with time zone,
	"place" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"id" uuid PRIMARY KEY NOT NULL,
	"only" boolean DEFAULT true NOT NULL,
	"secret_fingerprint" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "installation_only_unique" UNIQUE("only"),
	CONSTRAINT "installation_only" CHECK ("installation"."only")
);
--> statement-breakpoint
CREATE TABLE "leaderships" (
	"duty" text PRIMARY KEY NOT NULL,
	"server_id" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orphans" (
	"place" text NOT NULL,
	"runner_id" text NOT NULL,
	"found_at" timestamp with time zone DEFAULT now() NOT NULL,
	"stopped_at" timestamp with time zone,
	CONSTRAINT "orphans_place_runner_id_pk" PRIMARY KEY("place","runner_id")
);
--> statement-breakpoint
CREATE TABLE "servers" (
	"id" text PRIMARY KEY NOT NULL,
	"address" text NOT NULL,
	"place" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "runs" DROP CONSTRAINT "runs_runner_id_runners_id_fk";
--> statement-breakpoint
DROP INDEX "runs_by_status";--> statement-breakpoint
DROP INDEX "tasks_by_state";--> statement-breakpoint
DROP INDEX "permissions_task";--> statement-breakpoint
DROP INDEX "runners_owner";--> statement-breakpoint
DROP INDEX "runs_task";--> statement-breakpoint
DROP INDEX "runs_runner";--> statement-breakpoint
DROP INDEX "runs_queue";--> statement-breakpoint
DROP INDEX "turns_task";--> statement-breakpoint
ALTER TABLE "boards" ADD COLUMN "deleted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "pushes" ADD COLUMN "runner_id" uuid;--> statement-breakpoint
UPDATE "pushes" SET "runner_id" = "runs"."runner_id" FROM "runs" WHERE "runs"."id" = "pushes"."run_id";--> statement-breakpoint
ALTER TABLE "pushes" ADD COLUMN "reported" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "runners" ADD COLUMN "board_id" uuid;--> statement-breakpoint
UPDATE "runners" SET "board_id" = "tasks"."board_id" FROM "runs" JOIN "tasks" ON "tasks"."id" = "runs"."task_id" WHERE "runs"."runner_id" = "runners"."id" AND "runners"."owner_id" IS NULL;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "board_id" uuid;--> statement-breakpoint
UPDATE "runs" SET "board_id" = "tasks"."board_id" FROM "tasks" WHERE "tasks"."id" = "runs"."task_id";--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "idle_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "log_start" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "log_bytes" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "deleted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "prompt_seq" bigint;--> statement-breakpoint
UPDATE "turns" SET "prompt_seq" = (SELECT e.seq + 1 FROM events e WHERE e.task_id = turns.task_id AND e.kind = 'turn' AND e.data ->> 'status' = 'queued' AND e.data ->> 'turn_id' = turns.id::text LIMIT 1) WHERE "state" = 'QUEUED';--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "bytes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "runner_leases" ADD CONSTRAINT "runner_leases_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "dropped_branches_due" ON "dropped_branches" USING btree ("next_attempt_at","repository_id");--> statement-breakpoint
CREATE INDEX "runner_leases_due" ON "runner_leases" USING btree ("place","expires_at");--> statement-breakpoint
CREATE INDEX "runner_leases_server" ON "runner_leases" USING btree ("server_id");--> statement-breakpoint
ALTER TABLE "pushes" ADD CONSTRAINT "pushes_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runners" ADD CONSTRAINT "runners_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "boards_owner" ON "boards" USING btree ("owner_id","created_at","id");--> statement-breakpoint
CREATE INDEX "boards_organization" ON "boards" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "boards_deleted" ON "boards" USING btree ("deleted_at") WHERE deleted_at is not null;--> statement-breakpoint
CREATE INDEX "users_organization" ON "users" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "permissions_open" ON "permissions" USING btree ("run_id") WHERE state in ('ASKED', 'ANSWERED');--> statement-breakpoint
CREATE INDEX "permissions_closed" ON "permissions" USING btree ("updated_at") WHERE state = 'CLOSED';--> statement-breakpoint
CREATE INDEX "permissions_answered_by" ON "permissions" USING btree ("answered_by");--> statement-breakpoint
CREATE INDEX "pushes_run" ON "pushes" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "pushes_runner" ON "pushes" USING btree ("runner_id");--> statement-breakpoint
CREATE INDEX "runners_owner_state" ON "runners" USING btree ("owner_id","state","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runners_board" ON "runners" USING btree ("board_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE state <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "runners_board_state" ON "runners" USING btree ("board_id","state","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runners_organization" ON "runners" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "runners_destroyed" ON "runners" USING btree ("updated_at") WHERE state = 'DESTROYED';--> statement-breakpoint
CREATE INDEX "runners_resting" ON "runners" USING btree ("updated_at","id") WHERE state = 'STOPPED' and desired = 'STOPPED' and owner_id is null;--> statement-breakpoint
CREATE INDEX "runners_desired" ON "runners" USING btree ("desired","state") WHERE state <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "runs_board" ON "runs" USING btree ("board_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runs_board_status" ON "runs" USING btree ("board_id","status","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runs_slot" ON "runs" USING btree ("slot") WHERE slot;--> statement-breakpoint
CREATE INDEX "runs_queue_board" ON "runs" USING btree ("board_id",(-priority),"queued_at","id") WHERE queued_at is not null;--> statement-breakpoint
CREATE INDEX "tasks_listed" ON "tasks" USING btree ("board_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "tasks_listed_by_state" ON "tasks" USING btree ("board_id","state","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "tasks_deleted" ON "tasks" USING btree ("deleted_at") WHERE deleted_at is not null;--> statement-breakpoint
CREATE INDEX "tasks_created_by" ON "tasks" USING btree ("created_by");--> statement-breakpoint
CREATE INDEX "turns_open" ON "turns" USING btree ("task_id") WHERE state in ('QUEUED', 'RUNNING');--> statement-breakpoint
CREATE INDEX "turns_run" ON "turns" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "turns_created_by" ON "turns" USING btree ("created_by");--> statement-breakpoint
CREATE INDEX "events_by_kind" ON "events" USING btree ("task_id","kind","seq") WHERE kind in ('failure', 'message', 'turn');--> statement-breakpoint
CREATE INDEX "events_session" ON "events" USING btree ("task_id",(data ->> 'session_id'),"seq") WHERE kind = 'session';--> statement-breakpoint
CREATE INDEX "permissions_task" ON "permissions" USING btree ("task_id","permission_id");--> statement-breakpoint
CREATE INDEX "runners_owner" ON "runners" USING btree ("owner_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE state <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "runs_task" ON "runs" USING btree ("task_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runs_runner" ON "runs" USING btree ("runner_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "runs_queue" ON "runs" USING btree ("priority" DESC NULLS FIRST,"queued_at","id") WHERE queued_at is not null;--> statement-breakpoint
CREATE INDEX "turns_task" ON "turns" USING btree ("task_id","created_at","id");--> statement-breakpoint
-- Servers give runners that were made before leases their place when they start.
INSERT INTO "runner_leases" ("runner_id", "epoch", "expires_at", "place") SELECT "id", "wire_epoch", now(), '' FROM "runners" WHERE "state" <> 'DESTROYED';--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "wire_epoch";--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "pool_owner";--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "pool_expires_at";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_owner";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_epoch";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_expires_at";