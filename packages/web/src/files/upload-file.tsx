import { useQueryClient } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { type ChangeEvent, useState } from "react";
import { Problem } from "../actions/index.ts";
import { usePermissions } from "../task-data/use-permissions.ts";
import type { WorkspacePlace } from "../task-data/workspace-place.ts";
import styles from "./files.module.css";

/** Writes files of the person's machine into the workspace. An existing file is never replaced. */
export function UploadFile({ place }: { place: WorkspacePlace }) {
  const client = useQueryClient();
  const { canChangeFiles } = usePermissions();
  const [error, setError] = useState<unknown>();
  if (!canChangeFiles) return null;
  const upload = async (files: readonly File[]) => {
    setError(undefined);
    try {
      for (const file of files) await place.api.upload({ path: file.name, overwrite: false }, file);
    } catch (failure) {
      setError(failure);
    }
    await client.invalidateQueries({ queryKey: ["files", place.id] });
  };
  const onChange = ({ target }: ChangeEvent<HTMLInputElement>) => {
    void upload([...(target.files ?? [])]);
    target.value = ""; // the same file can be chosen again
  };
  return (
    <>
      <label className={styles.upload} title="Upload files">
        <Upload size={16} aria-hidden />
        <input type="file" multiple aria-label="Upload files" onChange={onChange} />
      </label>
      <Problem error={error} />
    </>
  );
}
