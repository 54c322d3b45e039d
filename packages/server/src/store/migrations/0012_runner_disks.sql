CREATE TABLE "runner_disks" (
	"runner_id" uuid NOT NULL,
	"run_id" uuid NOT NULL,
	"organization_id" uuid NOT NULL,
	"board_id" uuid,
	"task_id" uuid,
	"user_id" uuid,
	"agent_type" text,
	"tier" text NOT NULL,
	"disk_mib" bigint NOT NULL,
	"held_from" timestamp with time zone NOT NULL,
	"held_until" timestamp with time zone DEFAULT 'infinity' NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "runner_disks_held" ON "runner_disks" USING btree ("runner_id") WHERE held_until = 'infinity';--> statement-breakpoint
CREATE INDEX "runner_disks_organization" ON "runner_disks" USING btree ("organization_id","held_until");--> statement-breakpoint
CREATE INDEX "runner_disks_board" ON "runner_disks" USING btree ("board_id","held_until");--> statement-breakpoint
CREATE INDEX "runner_disks_task" ON "runner_disks" USING btree ("task_id","held_until");--> statement-breakpoint
CREATE FUNCTION "end_runner_disk"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE runner_disks SET held_until = greatest(now(), held_from)
	WHERE runner_id = OLD.id AND held_until = 'infinity';
	RETURN NULL;
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "runners_destroyed_disk" AFTER UPDATE OF "state" ON "runners" FOR EACH ROW
	WHEN (NEW.state = 'DESTROYED' AND OLD.state <> 'DESTROYED') EXECUTE FUNCTION "end_runner_disk"();
--> statement-breakpoint
CREATE TRIGGER "runners_removed_disk" AFTER DELETE ON "runners" FOR EACH ROW
	WHEN (OLD.state <> 'DESTROYED') EXECUTE FUNCTION "end_runner_disk"();
--> statement-breakpoint
INSERT INTO "runner_disks" ("runner_id", "run_id", "organization_id", "user_id", "tier", "disk_mib", "held_from")
SELECT id, id, organization_id, owner_id, tier, ((resources->>'storage_gb')::numeric * 1024)::bigint, now()
FROM "runners"
WHERE owner_id IS NOT NULL AND organization_id IS NOT NULL AND state <> 'DESTROYED' AND resources IS NOT NULL;
