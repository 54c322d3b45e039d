CREATE TABLE "board_members" (
	"board_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "board_members_pkey" PRIMARY KEY("board_id","user_id"),
	CONSTRAINT "board_members_role" CHECK (role in ('viewer', 'editor', 'owner'))
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"organization_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "memberships_pkey" PRIMARY KEY("organization_id","user_id"),
	CONSTRAINT "memberships_role" CHECK (role in ('viewer', 'member', 'admin'))
);
--> statement-breakpoint
DROP INDEX "boards_organization";--> statement-breakpoint
DROP INDEX "runners_organization";--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "is_operator" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "is_service" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "board_members" ADD CONSTRAINT "board_members_board_id_boards_id_fk" FOREIGN KEY ("board_id") REFERENCES "public"."boards"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "board_members" ADD CONSTRAINT "board_members_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "board_members_user" ON "board_members" USING btree ("user_id","board_id");--> statement-breakpoint
CREATE INDEX "memberships_user" ON "memberships" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "runners_organization_state" ON "runners" USING btree ("organization_id","state","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "boards_organization" ON "boards" USING btree ("organization_id","created_at","id");--> statement-breakpoint
CREATE INDEX "runners_organization" ON "runners" USING btree ("organization_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE state <> 'DESTROYED';
--> statement-breakpoint
-- Everybody keeps the role in the organisation to which they belonged, and their own boards.
INSERT INTO "memberships" ("organization_id", "user_id", "role")
SELECT "organization_id", "id", "role" FROM "users";--> statement-breakpoint
INSERT INTO "board_members" ("board_id", "user_id", "role")
SELECT "id", "owner_id", 'owner' FROM "boards";--> statement-breakpoint
UPDATE "users" SET "is_operator" = true WHERE "username" = 'owner';
