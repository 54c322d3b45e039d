ALTER TABLE "agent_types" DROP CONSTRAINT "agent_types_name_unique";--> statement-breakpoint
ALTER TABLE "agent_types" ADD COLUMN "organization_id" uuid;--> statement-breakpoint
ALTER TABLE "agent_types" ADD CONSTRAINT "agent_types_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "agent_types" ADD CONSTRAINT "agent_types_organization_name" UNIQUE NULLS NOT DISTINCT("organization_id","name");