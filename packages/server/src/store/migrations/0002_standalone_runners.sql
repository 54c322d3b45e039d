ALTER TABLE "runners" ADD COLUMN "image" text;--> statement-breakpoint
ALTER TABLE "runners" ADD COLUMN "model_route" text;