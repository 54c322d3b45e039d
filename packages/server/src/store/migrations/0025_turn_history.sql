DROP INDEX "events_by_kind";--> statement-breakpoint
CREATE INDEX "turns_ended" ON "turns" USING btree ("ended_at" DESC NULLS FIRST) WHERE started_at is not null and ended_at is not null;--> statement-breakpoint
CREATE INDEX "events_by_kind" ON "events" USING btree ("task_id","kind","seq") WHERE kind in ('failure', 'message', 'turn', 'plan', 'report', 'tool_call');