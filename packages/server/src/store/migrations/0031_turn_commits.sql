ALTER TABLE "turns" ADD COLUMN "base_commit_sha" text;--> statement-breakpoint
ALTER TABLE "turns" ADD COLUMN "commit_sha" text;