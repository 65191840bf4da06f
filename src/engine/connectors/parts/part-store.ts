/** Where an output of parts goes: files of a folder, objects of a bucket. `P` is what a checkpoint remembers of a part. */
export interface PartStore<P> {
  /** Opens the part of this number. */
  open(number: number): Promise<OpenPart<P>>;
  /** Makes sealed parts visible, and never in place of anything else. Repeatable; DELIVERY_AT_RISK where one has gone. */
  publish(parts: readonly P[]): Promise<void>;
  /** Removes what earlier workers left and nobody will publish any more. */
  removeOrphans(): Promise<void>;
}

export interface OpenPart<P> {
  write(bytes: Buffer): Promise<void>;
  /** What was written is safe. Absent where only a sealed part is. */
  sync?(): Promise<void>;
  /** Durable as a whole, and visible only when it is published. */
  seal(): Promise<P>;
  /** Gives it up. */
  abandon(): Promise<void>;
}
