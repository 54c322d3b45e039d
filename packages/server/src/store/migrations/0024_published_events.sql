CREATE TABLE "published_events" (
	"id" bigint PRIMARY KEY NOT NULL,
	"position" bigint,
	"organization_id" uuid NOT NULL,
	"board_id" uuid NOT NULL,
	"task_id" uuid NOT NULL,
	"seq" bigint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "published_events_position_unique" UNIQUE("position")
);
--> statement-breakpoint
CREATE TABLE "published_position" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "published_position_single" CHECK (id)
);
--> statement-breakpoint
CREATE INDEX "published_events_waiting" ON "published_events" USING btree ("id") WHERE position is null;--> statement-breakpoint
CREATE INDEX "published_events_board" ON "published_events" USING btree ("board_id","position");--> statement-breakpoint
CREATE INDEX "published_events_organization" ON "published_events" USING btree ("organization_id","position");
--> statement-breakpoint
INSERT INTO "published_position" ("position") VALUES (0);
