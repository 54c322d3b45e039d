-- A filter by a part of a title reads an index of the title's trigrams. The extension comes with
-- PostgreSQL and needs no superuser. Without it, or without the permission to create it, the filter
-- reads the tasks of the list in their order.
DO $$
BEGIN
	CREATE EXTENSION IF NOT EXISTS pg_trgm;
	CREATE INDEX "tasks_title" ON "tasks" USING gin ("title" gin_trgm_ops) WHERE deleted_at is null;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
	RAISE WARNING 'no index of the titles of tasks: %', SQLERRM;
END $$;
