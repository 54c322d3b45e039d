CREATE TABLE "runner_counters" (
	"runner_id" uuid PRIMARY KEY NOT NULL,
	"launch" text NOT NULL,
	"cpu_ms" bigint NOT NULL,
	"running_ms" bigint NOT NULL,
	"memory_bytes" bigint NOT NULL,
	"sampled_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "runner_hours" (
	"hour" timestamp with time zone NOT NULL,
	"runner_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"organization_id" uuid NOT NULL,
	"board_id" uuid,
	"task_id" uuid,
	"user_id" uuid,
	"agent_type" text,
	"tier" text NOT NULL,
	"cpu_ms" bigint NOT NULL,
	"running_ms" bigint NOT NULL,
	"memory_mib_seconds" bigint NOT NULL,
	CONSTRAINT "runner_hours_source" UNIQUE NULLS NOT DISTINCT("run_id","hour","runner_id","user_id")
);
--> statement-breakpoint
ALTER TABLE "runner_counters" ADD CONSTRAINT "runner_counters_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "runner_hours_organization" ON "runner_hours" USING btree ("organization_id","hour");--> statement-breakpoint
CREATE INDEX "runner_hours_board" ON "runner_hours" USING btree ("board_id","hour");--> statement-breakpoint
CREATE INDEX "runner_hours_task" ON "runner_hours" USING btree ("task_id","hour");