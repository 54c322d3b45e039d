CREATE TABLE "host_usage" (
	"source_id" uuid NOT NULL,
	"host" text,
	"organization_id" uuid,
	"board_id" uuid,
	"task_id" uuid,
	"connections" bigint NOT NULL,
	"bytes_in" bigint NOT NULL,
	"bytes_out" bigint NOT NULL,
	"first_at" timestamp with time zone NOT NULL,
	"last_at" timestamp with time zone NOT NULL,
	CONSTRAINT "host_usage_host" UNIQUE NULLS NOT DISTINCT("source_id","host")
);
--> statement-breakpoint
CREATE INDEX "host_usage_organization" ON "host_usage" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "host_usage_task" ON "host_usage" USING btree ("task_id");