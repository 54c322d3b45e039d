CREATE TABLE "model_requests" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid,
	"board_id" uuid,
	"task_id" uuid,
	"run_id" uuid NOT NULL,
	"turn_id" uuid,
	"user_id" uuid,
	"agent_type" text,
	"tier" text,
	"route" text NOT NULL,
	"model" text,
	"request_id" text NOT NULL,
	"runner_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"reserved_input_tokens" bigint NOT NULL,
	"reserved_output_tokens" bigint NOT NULL,
	"reserved_cost" bigint,
	"price_version" text,
	"server_id" text NOT NULL,
	"reserved_at" timestamp with time zone DEFAULT now() NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cached_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	"long_cache_write_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"thinking_tokens" bigint NOT NULL,
	"cost" bigint,
	"status" integer NOT NULL,
	"upstream" text,
	"duration_ms" bigint NOT NULL,
	"estimated" boolean NOT NULL,
	"implausible" text,
	"settled_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "model_reservations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid,
	"board_id" uuid,
	"task_id" uuid,
	"run_id" uuid NOT NULL,
	"turn_id" uuid,
	"user_id" uuid,
	"agent_type" text,
	"tier" text,
	"route" text NOT NULL,
	"model" text,
	"request_id" text NOT NULL,
	"runner_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"reserved_input_tokens" bigint NOT NULL,
	"reserved_output_tokens" bigint NOT NULL,
	"reserved_cost" bigint,
	"price_version" text,
	"server_id" text NOT NULL,
	"reserved_at" timestamp with time zone DEFAULT now() NOT NULL,
	"server_start" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "usage_hours" (
	"hour" timestamp with time zone NOT NULL,
	"organization_id" uuid,
	"board_id" uuid,
	"task_id" uuid,
	"run_id" uuid NOT NULL,
	"turn_id" uuid,
	"user_id" uuid,
	"agent_type" text,
	"tier" text,
	"route" text NOT NULL,
	"model" text,
	"requests" bigint NOT NULL,
	"failed_requests" bigint NOT NULL,
	"estimated_requests" bigint NOT NULL,
	"implausible_requests" bigint NOT NULL,
	"unpriced_requests" bigint NOT NULL,
	"input_tokens" bigint NOT NULL,
	"cached_tokens" bigint NOT NULL,
	"cache_write_tokens" bigint NOT NULL,
	"long_cache_write_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"thinking_tokens" bigint NOT NULL,
	"cost" bigint NOT NULL,
	"duration_ms" bigint NOT NULL,
	CONSTRAINT "usage_hours_source" UNIQUE NULLS NOT DISTINCT("run_id","hour","turn_id","route","model")
);
--> statement-breakpoint
CREATE INDEX "model_reservations_server" ON "model_reservations" USING btree ("server_id");--> statement-breakpoint
CREATE INDEX "usage_hours_organization" ON "usage_hours" USING btree ("organization_id","hour");--> statement-breakpoint
CREATE INDEX "usage_hours_board" ON "usage_hours" USING btree ("board_id","hour");--> statement-breakpoint
CREATE INDEX "usage_hours_task" ON "usage_hours" USING btree ("task_id","hour");
--> statement-breakpoint
CREATE FUNCTION "refuse_ledger_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'rows of the ledger do not change';
END;
$$;
--> statement-breakpoint
CREATE TRIGGER "model_requests_unchanged" BEFORE UPDATE ON "model_requests" FOR EACH ROW EXECUTE FUNCTION "refuse_ledger_change"();
