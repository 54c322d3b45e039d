ALTER TABLE "boards" ADD COLUMN "version" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_types" ADD COLUMN "version" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "tasks" ADD COLUMN "version" integer DEFAULT 1 NOT NULL;
--> statement-breakpoint
CREATE FUNCTION "raise_version"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.version := OLD.version + 1;
	RETURN NEW;
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "tasks_version" BEFORE UPDATE OF board_id, title, description, state, priority, agent_type, repository_url,
	branch, base_commit_sha, assigned_agent_id, agent_mode, agent_model, permission_policy, interrupt_policy, metadata,
	started_at, completed_at, resume_at, archived_at, deleted_at, updated_at ON "tasks"
	FOR EACH ROW EXECUTE FUNCTION "raise_version"();
--> statement-breakpoint
CREATE TRIGGER "boards_version" BEFORE UPDATE ON "boards"
	FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "raise_version"();
--> statement-breakpoint
CREATE TRIGGER "agent_types_version" BEFORE UPDATE ON "agent_types"
	FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION "raise_version"();
