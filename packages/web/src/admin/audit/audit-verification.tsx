import type { AuditVerificationLine } from "@wharf/client";
import { useEffect, useRef, useState } from "react";
import { Problem, useAction } from "../../actions/index.ts";
import { wharf } from "../../api/index.ts";
import { visible } from "../../text/index.ts";
import styles from "../admin.module.css";

/** Computes the chain of the whole log again, and says whether it is intact. */
export function AuditVerification() {
  const [line, setLine] = useState<AuditVerificationLine>();
  const controller = useRef<AbortController>(undefined);
  useEffect(() => () => controller.current?.abort(), []);
  const { run, isPending, error } = useAction(async () => {
    const { signal } = (controller.current = new AbortController());
    setLine(undefined);
    for await (const next of wharf.audit.verifyAudit({}, { signal })) setLine(next);
  });
  return (
    <>
      <button aria-disabled={isPending} onClick={run}>
        Verify
      </button>
      <output>{line && <Outcome line={line} />}</output>
      <Problem error={error} />
    </>
  );
}

function Outcome({ line }: { line: AuditVerificationLine }) {
  if (line.type === "progress") return `${line.checked} of ${line.end} entries checked`;
  if (line.intact) return <span className={styles.good}>{`Intact: ${line.checked} entries checked`}</span>;
  return <span className={styles.bad}>{visible(line.fault?.message ?? "The log was changed.")}</span>;
}
