CREATE TABLE "audit_chain" (
	"id" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"sequence" bigint NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"hash" text NOT NULL,
	"pruned_sequence" bigint NOT NULL,
	"pruned_hash" text NOT NULL,
	CONSTRAINT "audit_chain_single" CHECK (id)
);
--> statement-breakpoint
CREATE TABLE "audit_entries" (
	"sequence" bigint PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"content" text NOT NULL,
	"hash" text NOT NULL,
	"organization_id" uuid GENERATED ALWAYS AS ((content::jsonb #>> '{organization_id}')::uuid) STORED,
	"actor_id" text GENERATED ALWAYS AS (content::jsonb #>> '{actor,id}') STORED,
	"action" text GENERATED ALWAYS AS (content::jsonb #>> '{action}') STORED,
	"target_id" text GENERATED ALWAYS AS (content::jsonb #>> '{target,id}') STORED,
	"result" text GENERATED ALWAYS AS (content::jsonb #>> '{result}') STORED,
	CONSTRAINT "audit_entries_content_size" CHECK (octet_length(content) <= 8192)
);
--> statement-breakpoint
CREATE INDEX "audit_entries_at" ON "audit_entries" USING btree ("at","sequence");--> statement-breakpoint
CREATE INDEX "audit_entries_organization" ON "audit_entries" USING btree ("organization_id","sequence");--> statement-breakpoint
CREATE INDEX "audit_entries_actor" ON "audit_entries" USING btree ("actor_id","sequence");--> statement-breakpoint
CREATE INDEX "audit_entries_action" ON "audit_entries" USING btree ("action","sequence");--> statement-breakpoint
CREATE INDEX "audit_entries_target" ON "audit_entries" USING btree ("target_id","sequence");--> statement-breakpoint
CREATE INDEX "audit_entries_result" ON "audit_entries" USING btree ("result","sequence");--> statement-breakpoint
INSERT INTO "audit_chain" ("sequence", "at", "hash", "pruned_sequence", "pruned_hash") VALUES (0, 'epoch', repeat('0', 64), 0, repeat('0', 64));
--> statement-breakpoint
CREATE FUNCTION "begin_audit_chain"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	chain audit_chain;
BEGIN
	SELECT * INTO chain FROM audit_chain FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the end of the audit chain is missing';
	END IF;
	-- The end of the chain while the statement adds rows: reading it from the table for each row would
	-- take longer with each row.
	PERFORM set_config('wharf.audit_sequence', chain.sequence::text, true),
		set_config('wharf.audit_at', chain.at::text, true), set_config('wharf.audit_hash', chain.hash, true);
	RETURN NULL;
END;
$$;
--> statement-breakpoint
CREATE FUNCTION "chain_audit_entry"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.sequence := current_setting('wharf.audit_sequence')::bigint + 1;
	NEW.at := greatest(current_setting('wharf.audit_at')::timestamptz, date_trunc('milliseconds', clock_timestamp()));
	NEW.hash := encode(sha256(convert_to(concat_ws(E'\n', current_setting('wharf.audit_hash'), NEW.sequence,
		to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), NEW.content), 'UTF8')), 'hex');
	PERFORM set_config('wharf.audit_sequence', NEW.sequence::text, true),
		set_config('wharf.audit_at', NEW.at::text, true), set_config('wharf.audit_hash', NEW.hash, true);
	RETURN NEW;
END;
$$;
--> statement-breakpoint
CREATE FUNCTION "end_audit_chain"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE audit_chain SET sequence = current_setting('wharf.audit_sequence')::bigint,
		at = current_setting('wharf.audit_at')::timestamptz, hash = current_setting('wharf.audit_hash');
	RETURN NULL;
END;
$$;
--> statement-breakpoint
CREATE FUNCTION "refuse_audit_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'entries of the audit log do not change';
END;
$$;
--> statement-breakpoint
CREATE FUNCTION "refuse_audit_deletion"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.sequence > (SELECT pruned_sequence FROM audit_chain) THEN
		RAISE EXCEPTION 'entries of the audit log are only removed by pruning';
	END IF;
	RETURN OLD;
END;
$$;
--> statement-breakpoint
CREATE FUNCTION "check_audit_chain"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.sequence < OLD.sequence OR NEW.pruned_sequence < OLD.pruned_sequence
		OR NEW.pruned_sequence >= greatest(NEW.sequence, 1) THEN
		RAISE EXCEPTION 'the ends of the audit chain only move forward';
	END IF;
	IF NEW.pruned_sequence > OLD.pruned_sequence AND NOT EXISTS (
		SELECT FROM audit_entries WHERE sequence = NEW.pruned_sequence AND hash = NEW.pruned_hash) THEN
		RAISE EXCEPTION 'the audit chain is only pruned up to one of its entries';
	END IF;
	RETURN NEW;
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "audit_entries_begun" BEFORE INSERT ON "audit_entries" FOR EACH STATEMENT EXECUTE FUNCTION "begin_audit_chain"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_chained" BEFORE INSERT ON "audit_entries" FOR EACH ROW EXECUTE FUNCTION "chain_audit_entry"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_ended" AFTER INSERT ON "audit_entries" FOR EACH STATEMENT EXECUTE FUNCTION "end_audit_chain"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_unchanged" BEFORE UPDATE OR TRUNCATE ON "audit_entries" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_kept" BEFORE DELETE ON "audit_entries" FOR EACH ROW EXECUTE FUNCTION "refuse_audit_deletion"();
--> statement-breakpoint
CREATE TRIGGER "audit_chain_kept" BEFORE DELETE OR TRUNCATE ON "audit_chain" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();
--> statement-breakpoint
CREATE TRIGGER "audit_chain_checked" BEFORE UPDATE ON "audit_chain" FOR EACH ROW EXECUTE FUNCTION "check_audit_chain"();
