CREATE TABLE "budgets" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"board_id" uuid,
	"user_id" uuid,
	"task_id" uuid,
	"target_id" uuid GENERATED ALWAYS AS (coalesce(task_id, board_id, user_id, organization_id)) STORED NOT NULL,
	"period" text NOT NULL,
	"amount" bigint,
	"warn_share" double precision NOT NULL,
	"action" text NOT NULL,
	"period_start" timestamp with time zone NOT NULL,
	"reserved" bigint NOT NULL,
	"spent" bigint NOT NULL,
	"is_warned" boolean DEFAULT false NOT NULL,
	"is_limit_reported" boolean DEFAULT false NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "budgets_target_period" UNIQUE("target_id","period"),
	CONSTRAINT "budgets_period" CHECK (period in ('total', 'day', 'month')),
	CONSTRAINT "budgets_action" CHECK (action in ('warn', 'pause', 'stop')),
	CONSTRAINT "budgets_target" CHECK (num_nonnulls(board_id, user_id, task_id) <= 1)
);
--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "blocking_budget_id" uuid;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "blocked_cost" bigint;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budgets" ADD CONSTRAINT "budgets_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "budgets_organization" ON "budgets" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "budgets_board" ON "budgets" USING btree ("board_id");--> statement-breakpoint
CREATE INDEX "budgets_user" ON "budgets" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "budgets_task" ON "budgets" USING btree ("task_id");--> statement-breakpoint
CREATE INDEX "budgets_created_by" ON "budgets" USING btree ("created_by");--> statement-breakpoint
CREATE INDEX "tasks_blocking_budget" ON "tasks" USING btree ("blocking_budget_id") WHERE blocking_budget_id is not null;--> statement-breakpoint
CREATE INDEX "usage_hours_user" ON "usage_hours" USING btree ("user_id","hour");