import { useEffect, useRef } from "react";

/** Something that a person can do, also by a click. */
export interface Command {
  readonly id: string;
  readonly name: string;
  readonly run: () => void;
}

type Source = () => readonly Command[];

const sources = new Set<Source>();

/** Lists what can be done on the page at this moment. */
export const listPageCommands = (): readonly Command[] => [...sources].flatMap((list) => list());

/** Offers commands while the component is shown. They are listed when the palette opens. */
export function usePageCommands(list: Source): void {
  const latest = useRef(list);
  latest.current = list;
  useEffect(() => {
    const source = () => latest.current();
    sources.add(source);
    return () => void sources.delete(source);
  }, []);
}
