import type { LucideIcon } from "lucide-react";
import { Problem } from "./problem.tsx";
import { useAction } from "./use-action.ts";

interface ActionButtonProps {
  readonly send: () => Promise<unknown>;
  readonly Icon?: LucideIcon;
  readonly label: string;
  /** Shows the icon alone, with the label for screen readers and on hover. */
  readonly isSmall?: boolean;
  readonly isMain?: boolean;
}

/** A button that sends a request, and shows beside it why that failed. */
export function ActionButton({ send, Icon, label, isSmall = false, isMain = false }: ActionButtonProps) {
  const { run, isPending, error } = useAction(send);
  return (
    <>
      <button
        type="button"
        onClick={run}
        aria-disabled={isPending}
        data-main={isMain || undefined}
        {...(isSmall && { "aria-label": label, title: label })}
      >
        {Icon && <Icon size={16} aria-hidden />} {!isSmall && label}
      </button>
      <Problem error={error} />
    </>
  );
}
