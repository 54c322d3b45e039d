import { useQuery } from "@tanstack/react-query";
import type { RepositoryBranches } from "@wharf/client";
import { useState } from "react";
import { formatError, maxPageLength, wharf } from "../api/index.ts";
import { Field } from "./field.tsx";

interface BranchFieldProps {
  readonly repository: string;
  readonly branch: string;
  readonly onChange: (branch: string) => void;
}

/**
 * The branch from which a task starts. The branches of the repository are suggestions: one that
 * comes later can be typed, also if the server cannot list them.
 */
export function BranchField({ repository, branch, onChange }: BranchFieldProps) {
  // Only a person who chooses a branch makes the server ask the host of the repository.
  const [wantedFor, setWantedFor] = useState<string>();
  const isWanted = repository !== "" && wantedFor === repository;
  const { data, error, isFetching } = useQuery({
    queryKey: ["branches", repository],
    queryFn: ({ signal }) =>
      wharf.repositories.listRepositoryBranches({ url: repository, limit: maxPageLength }, { signal }),
    enabled: isWanted,
  });
  return (
    <Field label="Branch" hint={isWanted ? getHint({ isFetching, error, branch, list: data }) : undefined}>
      {(input) => (
        <>
          <input
            {...input}
            list="branches"
            maxLength={250}
            pattern="[a-zA-Z0-9][a-zA-Z0-9._\/\-]*"
            placeholder={data?.default_branch ?? "the default branch"}
            value={branch}
            onFocus={() => setWantedFor(repository)}
            onChange={({ target }) => onChange(target.value)}
          />
          <datalist id="branches">
            {data?.branches.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

interface BranchState {
  readonly isFetching: boolean;
  readonly error: unknown;
  readonly branch: string;
  readonly list: RepositoryBranches | undefined;
}

function getHint({ isFetching, error, branch, list }: BranchState): string | undefined {
  if (isFetching) return "Reading the branches…";
  if (error) {
    const { message, next } = formatError(error);
    return `${message} ${next}`;
  }
  const isMissing = list && !list.has_more && branch !== "" && !list.branches.includes(branch);
  return isMissing ? "The repository has no branch of this name yet." : undefined;
}
