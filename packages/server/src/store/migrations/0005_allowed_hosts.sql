CREATE TABLE "allowed_hosts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"agent_type_id" uuid,
	"task_id" uuid,
	"entry" text NOT NULL,
	"allows_private" boolean DEFAULT false NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "allowed_hosts_entry" UNIQUE NULLS NOT DISTINCT("organization_id","agent_type_id","task_id","entry")
);
--> statement-breakpoint
CREATE TABLE "denied_hosts" (
	"task_id" uuid NOT NULL,
	"entry" text NOT NULL,
	"allows_private" boolean DEFAULT false NOT NULL,
	"reason" text NOT NULL,
	"attempts" bigint DEFAULT 1 NOT NULL,
	"first_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "denied_hosts_entry" UNIQUE("task_id","entry")
);
--> statement-breakpoint
ALTER TABLE "allowed_hosts" ADD CONSTRAINT "allowed_hosts_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "allowed_hosts" ADD CONSTRAINT "allowed_hosts_agent_type_id_agent_types_id_fk" FOREIGN KEY ("agent_type_id") REFERENCES "public"."agent_types"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "allowed_hosts" ADD CONSTRAINT "allowed_hosts_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "allowed_hosts" ADD CONSTRAINT "allowed_hosts_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "denied_hosts" ADD CONSTRAINT "denied_hosts_task_id_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "allowed_hosts_task" ON "allowed_hosts" USING btree ("task_id");--> statement-breakpoint
CREATE INDEX "allowed_hosts_agent_type" ON "allowed_hosts" USING btree ("agent_type_id");--> statement-breakpoint
CREATE INDEX "allowed_hosts_created_by" ON "allowed_hosts" USING btree ("created_by");