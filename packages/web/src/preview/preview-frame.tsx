import { useQuery } from "@tanstack/react-query";
import { ExternalLink, RotateCw, Smartphone } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Problem } from "../actions/index.ts";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import styles from "./preview.module.css";

/** The frame has its own origin, so what it may do there reaches nothing of this page. */
const sandbox = "allow-scripts allow-forms allow-same-origin allow-popups allow-modals allow-downloads" as const;

interface PreviewFrameProps {
  readonly place: WorkspacePlace;
  readonly port: number;
}

/** A port of the runner in a frame, with the address that it shows. */
export function PreviewFrame({ place, port }: PreviewFrameProps) {
  const {
    data: preview,
    error,
    refetch,
  } = useQuery({
    queryKey: ["preview", place.id, port],
    queryFn: ({ signal }) => place.api.createPreview({ port }, { signal }),
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  const [path, setPath] = useState("/");
  const [loads, setLoads] = useState(0);
  const [isNarrow, setNarrow] = useState(false);
  if (!preview) return error ? <Problem error={error} /> : <output className={styles.empty}>Opening…</output>;

  /** Loads the page again, with another link if this one has expired. */
  const reload = async () => {
    if (Date.parse(preview.expires_at) < Date.now()) await refetch();
    setLoads((count) => count + 1);
  };
  const open = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const typed = new FormData(event.currentTarget).get("path");
    setPath(`/${(typeof typed === "string" ? typed : "").replace(/^\/+/, "")}`);
    setLoads((count) => count + 1);
  };
  // Whatever was typed, the address stays in the preview.
  const url = new URL(preview.url);
  const address = `${url.origin}${path}`;

  return (
    <div className={styles.frame}>
      <form className={styles.bar} onSubmit={open}>
        <button type="button" onClick={() => void reload()} aria-label="Reload" title="Reload">
          <RotateCw size={16} aria-hidden />
        </button>
        <input key={path} name="path" aria-label="Path" defaultValue={path} autoComplete="off" spellCheck={false} />
        <button
          type="button"
          aria-label="Width of a phone"
          title="Width of a phone"
          aria-pressed={isNarrow}
          onClick={() => setNarrow(!isNarrow)}
        >
          <Smartphone size={16} aria-hidden />
        </button>
        <a
          href={address}
          target="_blank"
          rel="noopener noreferrer"
          aria-label="Open in a new tab"
          title="Open in a new tab"
        >
          <ExternalLink size={16} aria-hidden />
        </a>
      </form>
      <iframe
        key={`${address} ${loads}`}
        title={`Port ${port}`}
        src={address}
        sandbox={sandbox}
        data-narrow={isNarrow || undefined}
      />
    </div>
  );
}
