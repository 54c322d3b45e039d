DROP INDEX "tasks_listed";--> statement-breakpoint
DROP INDEX "tasks_listed_by_state";--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "archived_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "tasks_archived" ON "tasks" USING btree ("board_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE deleted_at is null and archived_at is not null;--> statement-breakpoint
CREATE INDEX "tasks_listed" ON "tasks" USING btree ("board_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE deleted_at is null and archived_at is null;--> statement-breakpoint
CREATE INDEX "tasks_listed_by_state" ON "tasks" USING btree ("board_id","state","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE deleted_at is null and archived_at is null;