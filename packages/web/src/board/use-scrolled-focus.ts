import { type RefObject, useEffect } from "react";
import type { VirtualizerHandle } from "virtua";

/** Scrolls to the card that the keys reached, and focuses it when the list has drawn it. */
export function useScrolledFocus(
  list: RefObject<VirtualizerHandle | null>,
  index: number,
  taskId: string | undefined,
): void {
  useEffect(() => {
    if (index === -1 || taskId === undefined) return undefined;
    list.current?.scrollToIndex(index, { align: "nearest" });
    let frame = 0;
    let isFirst = true;
    const focus = () => {
      const link = document.querySelector<HTMLElement>(`[data-task="${CSS.escape(taskId)}"]`);
      if (link) return link.focus({ preventScroll: true });
      // The list draws a card that it scrolled to one frame later.
      if (isFirst) frame = requestAnimationFrame(focus);
      isFirst = false;
    };
    frame = requestAnimationFrame(focus);
    return () => cancelAnimationFrame(frame);
    // The index alone changes when other cards move, which must not take the focus away.
  }, [list, taskId]);
}
