CREATE TABLE "queue_pauses" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"reason" text,
	"paused_by" uuid,
	"paused_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "queue_pauses_only" CHECK ("queue_pauses"."only")
);
--> statement-breakpoint
CREATE TABLE "run_limits" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"board_id" uuid,
	"user_id" uuid,
	"target_id" uuid GENERATED ALWAYS AS (coalesce(board_id, user_id, organization_id)) STORED NOT NULL,
	"max_runs" integer NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "run_limits_organization_target" UNIQUE("organization_id","target_id"),
	CONSTRAINT "run_limits_target" CHECK (num_nonnulls(board_id, user_id) <= 1)
);
--> statement-breakpoint
ALTER TABLE "queue_pauses" ADD CONSTRAINT "queue_pauses_paused_by_users_id_fk" FOREIGN KEY ("paused_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "queue_pauses_paused_by" ON "queue_pauses" USING btree ("paused_by");--> statement-breakpoint
CREATE INDEX "run_limits_board" ON "run_limits" USING btree ("board_id");--> statement-breakpoint
CREATE INDEX "run_limits_user" ON "run_limits" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "run_limits_created_by" ON "run_limits" USING btree ("created_by");