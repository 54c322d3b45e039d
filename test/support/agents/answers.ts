import { api, type Event, type EventDataByKind, type Task } from "@wharf/contract";
import type { ServerHarness } from "../server-harness.ts";

export const getData = <K extends Event["data"]["kind"]>(events: readonly Event[], kind: K) =>
  events.flatMap(({ data }) => (data.kind === kind ? [data as unknown as EventDataByKind<K>] : []));

/** Allows every permission request once until the turn is over; returns the requests. */
export async function answerUntilEnd(
  wharf: ServerHarness,
  task: Pick<Task, "id">,
  turnId: string,
): Promise<EventDataByKind<"permission">[]> {
  const answered: EventDataByKind<"permission">[] = [];
  const isOver = ({ data }: Event) =>
    data.kind === "turn" && data.turn_id === turnId && !["queued", "started"].includes(data.status);
  const isNew = ({ data }: Event) =>
    data.kind === "permission" &&
    data.status === "asked" &&
    !answered.some(({ permission_id }) => permission_id === data.permission_id);
  for (;;) {
    const events = await wharf.until(task.id, (event) => isOver(event) || isNew(event), 90_000);
    if (events.some(isOver)) return answered;
    for (const event of events.filter(isNew)) {
      const asked = getData([event], "permission")[0]!;
      const option_id = asked.options?.find(({ option_kind }) => option_kind === "allow_once")?.option_id;
      const params = { task_id: task.id, permission_id: asked.permission_id };
      await wharf.client.call(api.answerPermission, { params, body: { option_id } });
      answered.push(asked);
    }
  }
}
