CREATE TABLE "stream_tickets" (
	"secret_hash" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"organization_id" uuid NOT NULL,
	"session_id" uuid,
	"token_id" uuid,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "stream_tickets" ADD CONSTRAINT "stream_tickets_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stream_tickets" ADD CONSTRAINT "stream_tickets_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stream_tickets" ADD CONSTRAINT "stream_tickets_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stream_tickets" ADD CONSTRAINT "stream_tickets_token_id_access_tokens_id_fk" FOREIGN KEY ("token_id") REFERENCES "public"."access_tokens"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "stream_tickets_user" ON "stream_tickets" USING btree ("user_id","expires_at");--> statement-breakpoint
CREATE INDEX "stream_tickets_organization" ON "stream_tickets" USING btree ("organization_id");--> statement-breakpoint
CREATE INDEX "stream_tickets_session" ON "stream_tickets" USING btree ("session_id");--> statement-breakpoint
CREATE INDEX "stream_tickets_token" ON "stream_tickets" USING btree ("token_id");--> statement-breakpoint
CREATE INDEX "stream_tickets_expires" ON "stream_tickets" USING btree ("expires_at");