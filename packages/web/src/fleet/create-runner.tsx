import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { RunnerCreate } from "@wharf/client";
import { tierNames } from "@wharf/contract/tiers";
import { type SubmitEvent, useRef, useState } from "react";
import { Problem, useAction } from "../actions/index.ts";
import { wharf } from "../api/index.ts";
import { PageDialog } from "../dialogs/index.ts";
import { Field } from "../new-task/field.tsx";
import { fleetQueries } from "./fleet-queries.ts";
import styles from "./fleet.module.css";

const sizes = [...tierNames, "custom"] as const;
/** These backends create runners from images. */
const imageBackends: readonly string[] = ["docker", "kubernetes"];

/** Creates a runner without a task, and opens it. */
export function CreateRunner({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data: server } = useQuery(fleetQueries.server);
  const [tier, setTier] = useState<(typeof sizes)[number]>("small");
  const form = useRef<HTMLFormElement>(null);
  // A repeated request creates no second runner.
  const [requestId] = useState(() => crypto.randomUUID());
  const { run, isPending, error } = useAction(async () => {
    const { id } = await wharf.runners.createRunner(toRunner(new FormData(form.current!), requestId));
    await client.invalidateQueries({ queryKey: ["fleet"] });
    onClose();
    await navigate({ to: "/fleet/$runnerId", params: { runnerId: id } });
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    run();
  };
  return (
    <PageDialog title="Create a runner" onClose={onClose}>
      <form ref={form} className={styles.form} onSubmit={submit}>
        <Field label="Name">
          {(input) => <input {...input} name="name" maxLength={100} placeholder="none" autoFocus />}
        </Field>
        <Field label="Size">
          {(input) => (
            <select {...input} name="tier" value={tier} onChange={({ target }) => setTier(target.value as typeof tier)}>
              {sizes.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
        </Field>
        {tier === "custom" && (
          <>
            <Field label="CPUs">
              {(input) => <input {...input} name="cpus" type="number" required min="0.1" max="256" step="0.1" />}
            </Field>
            <Field label="Memory in GiB">
              {(input) => <input {...input} name="memory" type="number" required min="0.0625" max="4096" step="any" />}
            </Field>
            <Field label="Disk in GiB">
              {(input) => <input {...input} name="disk" type="number" required min="1" max="65536" step="1" />}
            </Field>
          </>
        )}
        {imageBackends.includes(server?.backend ?? "") && (
          <Field label="Image">
            {(input) => <input {...input} name="image" maxLength={500} placeholder="the server's choice" />}
          </Field>
        )}
        <Field label="Model route" hint="The models that its programs may use, such as gemini.">
          {(input) => <input {...input} name="model_route" maxLength={100} placeholder="none" />}
        </Field>
        <Problem error={error} />
        <div className={styles.formButtons}>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button disabled={isPending}>Create</button>
        </div>
      </form>
    </PageDialog>
  );
}

function toRunner(fields: FormData, requestId: string): RunnerCreate {
  const getText = (name: string) => {
    const value = fields.get(name);
    return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
  };
  const [name, image, route] = ["name", "image", "model_route"].map(getText);
  const tier = sizes.find((one) => one === getText("tier")) ?? "small";
  return {
    request_id: requestId,
    tier,
    ...(name !== undefined && { name }),
    ...(image !== undefined && { image }),
    ...(route !== undefined && { model_route: route }),
    ...(tier === "custom" && {
      resources: {
        cpu_millicores: Math.round(Number(fields.get("cpus")) * 1_000),
        memory_mb: Math.round(Number(fields.get("memory")) * 1_024),
        storage_gb: Number(fields.get("disk")),
      },
    }),
  };
}
