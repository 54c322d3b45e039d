CREATE TABLE "allowed_secrets" (
	"task_id" uuid NOT NULL,
	"fingerprint" text NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "allowed_secrets_task_id_fingerprint_pk" PRIMARY KEY("task_id","fingerprint")
);
--> statement-breakpoint
ALTER TABLE "allowed_secrets" ADD CONSTRAINT "allowed_secrets_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "allowed_secrets" ADD CONSTRAINT "allowed_secrets_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "allowed_secrets_created_by" ON "allowed_secrets" USING btree ("created_by");