CREATE TABLE "search_documents" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"task_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"comment_id" uuid,
	"run_id" uuid,
	"first_seq" bigint,
	"last_seq" bigint,
	"created_at" timestamp with time zone NOT NULL,
	"words" "tsvector" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "search_positions" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"seq" bigint NOT NULL,
	"open_seq" bigint
);
--> statement-breakpoint
CREATE TABLE "search_queue" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "search_documents" ADD CONSTRAINT "search_documents_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "search_positions" ADD CONSTRAINT "search_positions_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "search_documents_words" ON "search_documents" USING gin ("words");--> statement-breakpoint
CREATE INDEX "search_documents_log" ON "search_documents" USING btree ("task_id","first_seq");--> statement-breakpoint
CREATE INDEX "search_documents_texts" ON "search_documents" USING btree ("task_id") WHERE kind <> 'log';--> statement-breakpoint
CREATE INDEX "search_queue_due" ON "search_queue" USING btree ("due_at");
--> statement-breakpoint
CREATE FUNCTION "queue_search"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO search_queue (task_id) SELECT DISTINCT task_id FROM added ON CONFLICT DO NOTHING;
	RETURN NULL;
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "events_queue_search" AFTER INSERT ON "events" REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION "queue_search"();
--> statement-breakpoint
CREATE FUNCTION "forget_searched_events"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM search_documents WHERE id IN (
		SELECT document.id FROM removed CROSS JOIN LATERAL (
			SELECT id, last_seq FROM search_documents
			WHERE search_documents.task_id = removed.task_id AND first_seq <= removed.seq
			ORDER BY first_seq DESC LIMIT 1
		) document
		WHERE document.last_seq >= removed.seq
	);
	RETURN NULL;
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "events_forget_searched" AFTER DELETE ON "events" REFERENCING OLD TABLE AS removed
	FOR EACH STATEMENT EXECUTE FUNCTION "forget_searched_events"();
--> statement-breakpoint
INSERT INTO "search_queue" ("task_id") SELECT "id" FROM "tasks" WHERE "deleted_at" IS NULL;
