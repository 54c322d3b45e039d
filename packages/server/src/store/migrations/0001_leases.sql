CREATE TABLE "runner_leases" (
	"runner_id" uuid PRIMARY KEY NOT NULL,
	"server_id" text,
	"epoch" bigint DEFAULT 0 NOT NULL,
	"expires_at" timestamp with time zone,
	"place" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"id" uuid PRIMARY KEY NOT NULL,
	"only" boolean DEFAULT true NOT NULL,
	"secret_fingerprint" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "installation_only_unique" UNIQUE("only"),
	CONSTRAINT "installation_only" CHECK ("installation"."only")
);
--> statement-breakpoint
CREATE TABLE "leaderships" (
	"duty" text PRIMARY KEY NOT NULL,
	"server_id" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "servers" (
	"id" text PRIMARY KEY NOT NULL,
	"address" text NOT NULL,
	"place" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orphans" (
	"place" text NOT NULL,
	"runner_id" text NOT NULL,
	"found_at" timestamp with time zone DEFAULT now() NOT NULL,
	"stopped_at" timestamp with time zone,
	CONSTRAINT "orphans_place_runner_id_pk" PRIMARY KEY("place","runner_id")
);
--> statement-breakpoint
ALTER TABLE "pushes" ADD COLUMN "runner_id" uuid;--> statement-breakpoint
ALTER TABLE "pushes" ADD COLUMN "reported" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "idle_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "runner_leases" ADD CONSTRAINT "runner_leases_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "runner_leases_due" ON "runner_leases" USING btree ("place","expires_at");--> statement-breakpoint
CREATE INDEX "runner_leases_server" ON "runner_leases" USING btree ("server_id");--> statement-breakpoint
ALTER TABLE "pushes" ADD CONSTRAINT "pushes_runner_id_runners_id_fk" FOREIGN KEY ("runner_id") REFERENCES "public"."runners"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
-- Servers give runners that were made before leases their place when they start.
INSERT INTO "runner_leases" ("runner_id", "epoch", "expires_at", "place") SELECT "id", "wire_epoch", now(), '' FROM "runners" WHERE "state" <> 'DESTROYED';--> statement-breakpoint
UPDATE "pushes" SET "runner_id" = "runs"."runner_id" FROM "runs" WHERE "runs"."id" = "pushes"."run_id";--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "wire_epoch";--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "pool_owner";--> statement-breakpoint
ALTER TABLE "runners" DROP COLUMN "pool_expires_at";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_owner";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_epoch";--> statement-breakpoint
ALTER TABLE "runs" DROP COLUMN "lease_expires_at";