import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";

/** Browsers limit how often a page changes its address. */
const addressDelayMs = 300;

/** The moment of the log at which the page is looked at. */
export interface Moment {
  /** The newest event that is shown; undefined while the page is live. */
  readonly seq: number | undefined;
  readonly goTo: (seq: number) => void;
  readonly goLive: () => void;
}

/** Follows the address, which gets a new moment when the person stays there. */
export function useMoment(addressSeq: number | undefined): Moment {
  const navigate = useNavigate({ from: "/tasks/$taskId" });
  const [seq, setSeq] = useState(addressSeq);
  const [seenSeq, setSeenSeq] = useState(addressSeq);
  if (seenSeq !== addressSeq) {
    setSeenSeq(addressSeq);
    setSeq(addressSeq);
  }
  useEffect(() => {
    if (seq === addressSeq) return undefined;
    const write = () =>
      void navigate({ search: ({ at: _at, ...rest }) => ({ ...rest, ...(seq && { at: seq }) }), replace: true });
    const timer = window.setTimeout(write, addressDelayMs);
    return () => window.clearTimeout(timer);
  }, [seq, addressSeq, navigate]);
  const goLive = useCallback(() => setSeq(undefined), []);
  return useMemo(() => ({ seq, goTo: setSeq, goLive }), [seq, goLive]);
}
