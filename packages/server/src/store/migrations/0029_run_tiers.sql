ALTER TABLE "tasks" ADD COLUMN "tier" text;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "tier" text DEFAULT 'small' NOT NULL;