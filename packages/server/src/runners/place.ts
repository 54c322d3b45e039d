import type { RunnerPlace } from "@wharf/contract";
import { eq, sql } from "drizzle-orm";
import type { Database } from "../store/index.ts";
import { organizations, runners } from "../store/schema/index.ts";

interface PlacedRunner {
  readonly id: string;
  readonly place: RunnerPlace;
  /** The organization that has the namespace for itself, with its quota there. */
  readonly tenant?: { readonly id: string; readonly namespace: string; readonly quota: Record<string, string> };
}

/** Notes where a runner is in its cluster, and the namespace of its organization. */
export async function storePlace(db: Database, { id, place, tenant }: PlacedRunner): Promise<void> {
  await db.update(runners).set({ place }).where(eq(runners.id, id));
  if (!tenant) return;
  const { namespace, quota } = tenant;
  const isNew = sql`(kubernetes_namespace, resource_quota) is distinct from (${namespace}, ${JSON.stringify(quota)}::jsonb)`;
  await db
    .update(organizations)
    .set({ kubernetes_namespace: namespace, resource_quota: quota })
    .where(sql`${organizations.id} = ${tenant.id} and ${isNew}`);
}
