/** Records of a source that are gone before they were read, since the slot started. */
export interface Losses {
  note(records: number, message: string): void;
  /** Undefined while nothing is lost. `message` is of the newest loss. */
  current(): { readonly records: number; readonly message: string } | undefined;
}

export function noteLosses(say: (message: string) => void): Losses {
  let current: ReturnType<Losses["current"]>;
  return {
    note: (records, message) => {
      current = { records: (current?.records ?? 0) + records, message };
      say(message);
    },
    current: () => current,
  };
}
