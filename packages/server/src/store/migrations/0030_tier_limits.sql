ALTER TABLE "run_limits" DROP CONSTRAINT "run_limits_organization_target";--> statement-breakpoint
ALTER TABLE "run_limits" DROP CONSTRAINT "run_limits_target";--> statement-breakpoint
ALTER TABLE "run_limits" ADD COLUMN "tier" text;--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_organization_target" UNIQUE NULLS NOT DISTINCT("organization_id","target_id","tier");--> statement-breakpoint
ALTER TABLE "run_limits" ADD CONSTRAINT "run_limits_target" CHECK (num_nonnulls(board_id, user_id, tier) <= 1);