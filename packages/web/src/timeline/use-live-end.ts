import { type KeyboardEvent, useCallback, useLayoutEffect, useRef, useState, type WheelEvent } from "react";

const nearEnd = 40; // px
const upwards = new Set(["ArrowUp", "Home", "PageUp"]);

/**
 * Keeps a growing list at its end while it is live. A person who scrolls up in any way leaves the
 * end, and is live again after scrolling back down to it.
 */
export function useLiveEnd(version: string) {
  const [live, setLive] = useState(true);
  const scroller = useRef<HTMLElement>(null);
  const top = useRef(0); // the position at the last look

  // The list's own scrollToIndex holds on for 150 ms, and would pull back a person who leaves.
  const follow = useCallback(() => {
    if (!live) return;
    scroller.current!.scrollTop = scroller.current!.scrollHeight;
    top.current = scroller.current!.scrollTop;
  }, [live]);
  useLayoutEffect(follow, [follow, version]);

  // Not only with the first scroll event: one more frame at the end would undo a smooth scroll.
  const leave = () => setLive(false);
  const goLive = () => setLive(true);

  const onScroll = () => {
    const { scrollHeight, clientHeight, scrollTop } = scroller.current!;
    const atEnd = scrollHeight - clientHeight - scrollTop < nearEnd;
    if (scrollTop < top.current && !atEnd) leave();
    if (scrollTop > top.current && atEnd) goLive();
    top.current = scrollTop;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (upwards.has(event.key)) leave();
    if (event.key === "End") goLive();
    if (event.key !== "Home") return;
    event.preventDefault(); // scrolled smoothly, it would miss the start by what is measured on the way
    scroller.current!.scrollTop = 0;
  };

  return {
    live,
    goLive,
    scroller: {
      ref: scroller,
      tabIndex: 0,
      onKeyDown,
      onTouchMove: leave,
      onWheel: ({ deltaY }: WheelEvent) => deltaY < 0 && leave(),
    },
    list: { onScroll, onResize: follow },
  };
}
