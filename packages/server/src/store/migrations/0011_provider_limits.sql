ALTER TABLE "tasks" ADD COLUMN "resume_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "limit_resumes" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "tasks_resumed" ON "tasks" USING btree ("resume_at") WHERE resume_at is not null;